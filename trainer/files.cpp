#include "trainer/files.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <utility>

#include "parallel/error.h"

namespace bessemer::trainer {
namespace {

[[noreturn]] void fail_call(const char* call, const std::string& path, int error) {
  fail(ExitCode::kEnvironment, path, ": ", call, " failed: ", std::strerror(error));
}

std::string read_all(const Descriptor& file, const std::string& path, int64_t limit) {
  struct stat status {};
  if (fstat(file.get(), &status) != 0) fail_call("fstat", path, errno);
  BESSEMER_CHECK_ENV(S_ISREG(status.st_mode), path, ": is no regular file");
  BESSEMER_CHECK_ENV(status.st_size <= limit, path, ": ", status.st_size, " bytes are more than the ", limit,
                     " that such a file may have");
  std::string text(static_cast<std::size_t>(status.st_size), '\0');
  text.resize(static_cast<std::size_t>(read_at(file, path, 0, text.data(), status.st_size)));
  return text;
}

}  // namespace

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  if (this != &other) {
    if (fd_ >= 0) close(fd_);
    fd_ = other.release();
  }
  return *this;
}

Descriptor::~Descriptor() {
  if (fd_ >= 0) close(fd_);
}

int Descriptor::release() { return std::exchange(fd_, -1); }

Descriptor open_file(const std::string& path, int flags, int mode) {
  int fd;
  do {
    fd = open(path.c_str(), flags | O_CLOEXEC, mode);
  } while (fd < 0 && errno == EINTR);
  if (fd < 0) fail_call("open", path, errno);
  return Descriptor(fd);
}

void write_at(const Descriptor& file, const std::string& path, int64_t offset, const void* data, int64_t bytes) {
  const char* from = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t n = pwrite(file.get(), from, static_cast<std::size_t>(bytes), offset);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail_call("pwrite", path, errno);
    if (n == 0) fail_call("pwrite", path, ENOSPC);
    from += n, offset += n, bytes -= n;
  }
}

int64_t read_at(const Descriptor& file, const std::string& path, int64_t offset, void* data, int64_t bytes) {
  char* to = static_cast<char*>(data);
  int64_t done = 0;
  while (done < bytes) {
    const ssize_t n = pread(file.get(), to + done, static_cast<std::size_t>(bytes - done), offset + done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail_call("pread", path, errno);
    if (n == 0) break;
    done += n;
  }
  return done;
}

void append_all(const Descriptor& file, const std::string& path, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = write(file.get(), bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) fail_call("write", path, n < 0 ? errno : ENOSPC);
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
}

void check_size_limit(const std::string& path, int64_t bytes) {
  rlimit limit{};
  if (getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return;
  BESSEMER_CHECK_ENV(static_cast<rlim_t>(bytes) <= limit.rlim_cur, path, ": needs ", bytes,
                     " bytes, and the file size limit is ", limit.rlim_cur, "; raise it (ulimit -f unlimited)");
}

void reserve(const Descriptor& file, const std::string& path, int64_t bytes) {
  check_size_limit(path, bytes);
  if (bytes == 0) return;
  int error;
  do {
    error = posix_fallocate(file.get(), 0, bytes);
  } while (error == EINTR);
  if (error == EOPNOTSUPP || error == EINVAL) {  // a file system without reservations: only the size can be set
    resize(file, path, bytes);
  } else if (error != 0) {
    fail_call(fmt::format("reserving {} bytes", bytes).c_str(), path, error);
  }
}

void resize(const Descriptor& file, const std::string& path, int64_t bytes) {
  int result;
  do {
    result = ftruncate(file.get(), bytes);
  } while (result != 0 && errno == EINTR);
  if (result != 0) fail_call("ftruncate", path, errno);
}

void sync_file(const Descriptor& file, const std::string& path) {
  if (fsync(file.get()) != 0) fail_call("fsync", path, errno);
}

void sync_directory(const std::string& path) { sync_file(open_file(path, O_RDONLY | O_DIRECTORY), path); }

std::string read_text(const std::string& path, int64_t limit) {
  return read_all(open_file(path, O_RDONLY), path, limit);
}

Directory::Directory(std::string path) : path_(std::move(path)) {
  descriptor_ = open_file(path_, O_RDONLY | O_DIRECTORY);
}

Descriptor Directory::open(const std::string& name) const {
  const bool plain = !name.empty() && name != "." && name != ".." && name.find('/') == std::string::npos;
  BESSEMER_CHECK_DATA(plain, path_, ": '", name, "' is no name of a file in it");
  int fd;
  do {  // O_NONBLOCK: a pipe of that name must not stop us
    fd = openat(descriptor_.get(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  } while (fd < 0 && errno == EINTR);
  if (fd < 0) fail_call("open", file(name), errno);
  return Descriptor(fd);
}

int64_t Directory::size(const std::string& name) const {
  struct stat status {};
  const bool there = fstatat(descriptor_.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0;
  return there && S_ISREG(status.st_mode) ? status.st_size : -1;
}

std::string Directory::read_text(const std::string& name, int64_t limit) const {
  return read_all(open(name), file(name), limit);
}

void write_text_synced(const std::string& path, std::string_view text) {
  const Descriptor file = open_file(path, O_WRONLY | O_CREAT | O_TRUNC);
  reserve(file, path, static_cast<int64_t>(text.size()));
  write_at(file, path, 0, text.data(), static_cast<int64_t>(text.size()));
  sync_file(file, path);
}

void write_text_atomically(const std::string& path, std::string_view text) {
  const std::string temporary = path + ".tmp-" + random_hex();
  try {
    write_text_synced(temporary, text);
    rename_path(temporary, path);
  } catch (...) {
    unlink(temporary.c_str());
    throw;
  }
  sync_directory(parent_of(path));
}

int64_t file_size(const std::string& path) {
  struct stat status {};
  return stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) ? status.st_size : -1;
}

bool exists(const std::string& path) {
  struct stat status {};
  return stat(path.c_str(), &status) == 0;
}

void make_directories(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) fail_call("making the directory", path, error.value());
}

void rename_path(const std::string& from, const std::string& to) {
  if (rename(from.c_str(), to.c_str()) != 0) fail_call(("rename to " + to).c_str(), from, errno);
}

void exchange_paths(const std::string& from, const std::string& to) {
  if (renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_EXCHANGE) == 0) return;
  if (errno != EINVAL && errno != ENOSYS) fail_call(("exchange with " + to).c_str(), from, errno);
  const std::string aside = from + kAside;  // NFS
  rename_path(to, aside);
  if (rename(from.c_str(), to.c_str()) != 0) {
    const int error = errno;
    rename_path(aside, to);
    fail_call(("rename to " + to).c_str(), from, error);
  }
  rename_path(aside, from);
}

void remove_tree(const std::string& path) {
  std::error_code error;
  std::filesystem::remove_all(path, error);
  if (error) fail_call("removing", path, error.value());
}

std::vector<std::string> list_directory(const std::string& path) {
  std::vector<std::string> names;
  DIR* directory = opendir(path.c_str());
  if (directory == nullptr) fail_call("opendir", path, errno);
  while (const dirent* entry = readdir(directory)) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
  }
  closedir(directory);
  std::sort(names.begin(), names.end());
  return names;
}

int64_t free_bytes(const std::string& path) {
  struct statvfs status {};
  if (statvfs(path.c_str(), &status) != 0) fail_call("statvfs", path, errno);
  return static_cast<int64_t>(status.f_bavail) * static_cast<int64_t>(status.f_frsize);
}

std::string parent_of(const std::string& path) {
  const auto slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::string random_hex() {
  uint64_t bits = 0;
  if (getrandom(&bits, sizeof bits, 0) != sizeof bits) fail_call("getrandom", "the system", errno);
  return fmt::format("{:016x}", bits);
}

}  // namespace bessemer::trainer
