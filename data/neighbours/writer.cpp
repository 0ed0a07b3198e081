#include "data/neighbours/writer.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <utility>

#include "parallel/error.h"

namespace bessemer::data {
namespace {

constexpr std::size_t kPiece = 1 << 20;

}  // namespace

bool read_front(const std::string& path, void* out, std::size_t bytes) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode) || ::access(path.c_str(), R_OK) != 0) return false;
  return FileDescriptor(path, FileDescriptor::Mode::kRead).read_at(0, out, bytes) == bytes;
}

OutputFile::OutputFile(std::string path)
    : path_(std::move(path)), temporary_(path_ + ".tmp"),
      file_(std::make_unique<FileDescriptor>(temporary_, FileDescriptor::Mode::kCreate)) {}

OutputFile::OutputFile(OutputFile&& other) noexcept
    : path_(std::move(other.path_)), temporary_(std::exchange(other.temporary_, {})), file_(std::move(other.file_)),
      waiting_(std::move(other.waiting_)) {}

OutputFile::~OutputFile() {
  if (!temporary_.empty()) ::unlink(temporary_.c_str());  // not published, nor moved from
}

void OutputFile::append(const void* data, std::size_t bytes) {
  const auto* at = static_cast<const unsigned char*>(data);
  waiting_.insert(waiting_.end(), at, at + bytes);
  if (waiting_.size() >= kPiece) flush();
}

void OutputFile::append(std::span<const uint32_t> ids, Element element) {
  const std::size_t at = waiting_.size();
  waiting_.resize(at + ids.size() * element.bytes);
  narrow(ids, element.bytes, waiting_.data() + at);
  if (waiting_.size() >= kPiece) flush();
}

void OutputFile::write_at(uint64_t offset, const void* data, std::size_t bytes) {
  file_->write_at(offset, data, bytes);
}

void OutputFile::flush() {
  file_->write(waiting_.data(), waiting_.size());
  waiting_.clear();
}

void OutputFile::sync() {
  if (!file_) return;
  flush();
  file_->sync_and_close();
  file_.reset();
  waiting_.shrink_to_fit();
}

void OutputFile::publish() {
  BESSEMER_CHECK_ENV(std::rename(temporary_.c_str(), path_.c_str()) == 0, path_,
                     ": cannot be given its name: ", std::strerror(errno));
  temporary_.clear();
}

void publish(std::vector<OutputFile>& files) {
  for (auto& file : files) file.sync();
  for (auto& file : files) file.publish();
  if (!files.empty()) sync_directory(std::filesystem::absolute(files.front().path()).parent_path());
}

}  // namespace bessemer::data
