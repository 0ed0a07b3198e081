#include "data/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>
#include <utility>
#include <vector>

#include "data/sha256.h"
#include "parallel/error.h"

namespace bessemer::data {
namespace {

std::string folder_of(const std::string& path) {
  const auto slash = path.find_last_of('/');
  return slash == std::string::npos ? "." : path.substr(0, slash + 1);
}

[[noreturn]] void cannot(const char* what, const std::string& path, ExitCode code) {
  fail(code, path, ": cannot be ", what, ": ", std::strerror(errno));
}

}  // namespace

FileDescriptor::FileDescriptor(std::string path, Mode mode) : path_(std::move(path)) {
  const int flags = mode == Mode::kRead ? O_RDONLY : mode == Mode::kCreate ? O_RDWR | O_CREAT | O_TRUNC : O_RDWR;
  fd_ = ::open(path_.c_str(), flags | O_CLOEXEC, 0666);
  if (fd_ < 0)
    cannot(mode == Mode::kRead ? "read" : "written", path_,
           mode == Mode::kRead ? ExitCode::kBadData : ExitCode::kEnvironment);
}

FileDescriptor::~FileDescriptor() {
  if (fd_ >= 0) ::close(fd_);
}

FileDescriptor::FileDescriptor(FileDescriptor&& other) noexcept
    : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)) {}

FileDescriptor& FileDescriptor::operator=(FileDescriptor&& other) noexcept {
  std::swap(path_, other.path_), std::swap(fd_, other.fd_);  // `other` closes what was ours
  return *this;
}

std::size_t FileDescriptor::read(void* out, std::size_t bytes) {
  std::size_t done = 0;
  while (done < bytes) {
    const ssize_t n = ::read(fd_, static_cast<char*>(out) + done, bytes - done);
    if (n == 0) break;
    if (n < 0 && errno != EINTR) cannot("read", path_, ExitCode::kBadData);
    if (n > 0) done += static_cast<std::size_t>(n);
  }
  return done;
}

std::size_t FileDescriptor::read_at(uint64_t offset, void* out, std::size_t bytes) const {
  std::size_t done = 0;
  auto pause = std::chrono::milliseconds(100);
  while (done < bytes) {
    const ssize_t n = ::pread(fd_, static_cast<char*>(out) + done, bytes - done, static_cast<off_t>(offset + done));
    if (n == 0) break;
    if (n > 0) {
      done += static_cast<std::size_t>(n);
    } else if (errno != EINTR) {
      const bool passes = errno == EIO || errno == ESTALE || errno == ETIMEDOUT || errno == EAGAIN || errno == ENOMEM;
      if (!passes || pause > std::chrono::milliseconds(1600)) cannot("read", path_, ExitCode::kBadData);
      std::this_thread::sleep_for(pause);
      pause *= 2;
    }
  }
  return done;
}

uint64_t FileDescriptor::size() const {
  struct stat status {};
  if (fstat(fd_, &status) != 0) cannot("read", path_, ExitCode::kBadData);
  return static_cast<uint64_t>(status.st_size);
}

void FileDescriptor::write(const void* data, std::size_t bytes) {
  const auto* at = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t n = ::write(fd_, at, bytes);
    if (n < 0 && errno != EINTR) cannot("written", path_, ExitCode::kEnvironment);
    if (n > 0) at += n, bytes -= static_cast<std::size_t>(n);
  }
}

void FileDescriptor::write_at(uint64_t offset, const void* data, std::size_t bytes) {
  const auto* at = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t n = ::pwrite(fd_, at, bytes, static_cast<off_t>(offset));
    if (n < 0 && errno != EINTR) cannot("written", path_, ExitCode::kEnvironment);
    if (n > 0) at += n, offset += static_cast<uint64_t>(n), bytes -= static_cast<std::size_t>(n);
  }
}

void FileDescriptor::sync_and_close() {
  if (::fsync(fd_) != 0) cannot("written (fsync)", path_, ExitCode::kEnvironment);
  if (::close(std::exchange(fd_, -1)) != 0) cannot("written (close)", path_, ExitCode::kEnvironment);
}

void sync_directory(const std::string& path) {
  FileDescriptor directory(path, FileDescriptor::Mode::kRead);
  directory.sync_and_close();
}

void give_name(const std::string& temporary, const std::string& path) {
  if (::rename(temporary.c_str(), path.c_str()) != 0) cannot("written (rename)", path, ExitCode::kEnvironment);
  sync_directory(folder_of(path));
}

void write_file(const std::string& path, std::string_view text) {
  const std::string temporary = path + ".tmp";
  FileDescriptor file(temporary, FileDescriptor::Mode::kCreate);
  file.write(text.data(), text.size());
  file.sync_and_close();
  give_name(temporary, path);
}

std::string read_file(const std::string& path, uint64_t limit) {
  FileDescriptor file(path, FileDescriptor::Mode::kRead);
  std::string text;
  std::vector<char> piece(1 << 16);
  while (const std::size_t n = file.read(piece.data(), piece.size())) {
    text.append(piece.data(), n);
    BESSEMER_CHECK_DATA(text.size() <= limit, path, ": larger than ", limit, " bytes, the most that is expected of it");
  }
  return text;
}

std::string sha256_of_file(const std::string& path) {
  FileDescriptor file(path, FileDescriptor::Mode::kRead);
  Sha256 hash;
  std::vector<char> piece(1 << 20);
  while (const std::size_t n = file.read(piece.data(), piece.size())) hash.update(piece.data(), n);
  return hash.hex();
}

void require_space(const std::string& path, uint64_t bytes) {
  struct statvfs disk {};
  if (statvfs(folder_of(path).c_str(), &disk) != 0) cannot("written", path, ExitCode::kEnvironment);
  const uint64_t room = static_cast<uint64_t>(disk.f_bavail) * disk.f_frsize;
  BESSEMER_CHECK_ENV(room >= bytes, path, ": the disk is full: ", bytes, " bytes needed, ", room, " free");
}

void allocate_file(const std::string& path) {
  FileDescriptor file(path, FileDescriptor::Mode::kWrite);
  struct stat status {};
  if (fstat(file.get(), &status) != 0) cannot("written", path, ExitCode::kEnvironment);
  const int error = status.st_size > 0 ? posix_fallocate(file.get(), 0, status.st_size) : 0;
  BESSEMER_CHECK_ENV(error == 0, path, ": no room for its ", status.st_size, " bytes: ", std::strerror(error));
}

}  // namespace bessemer::data
