#include "tests/faults/system_calls.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <mutex>

// The functions below stand before libc's of the same names, for this program and every library it loads.
namespace bessemer::faults {
namespace {

struct Watcher {
  std::string root;
  Watch::Before before;
  Watch::After after;
};
std::recursive_mutex mutex;
Watcher* watcher = nullptr;

template <class Function>
Function* real(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

std::string path_of(int fd) {
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t n = readlink(link, path, sizeof path);
  return n > 0 ? std::string(path, static_cast<std::size_t>(n)) : "";
}

std::string path_at(int directory, const char* name) {
  return directory == AT_FDCWD || name[0] == '/' ? name : path_of(directory) + "/" + name;
}

bool watched(const std::string& path) {
  return watcher != nullptr && path.compare(0, watcher->root.size(), watcher->root) == 0;
}

int before(const Event& event) { return watcher->before ? watcher->before(event) : 0; }
void after(const Event& event) {
  if (watcher->after) watcher->after(event);
}

/// Makes the call `make` unless the watch says otherwise.
template <class Make>
auto through(Event event, const Make& make) -> decltype(make()) {
  std::unique_lock lock(mutex);
  if (!watched(event.path)) return make();
  if (const int error = before(event); error > 0) {
    errno = error;
    return -1;
  } else if (error == Watch::kSlow) {
    lock.unlock();
    usleep(100000);
    lock.lock();
  }
  const auto result = make();
  const int kept = errno;
  if (result >= 0) after(event);
  errno = kept;
  return result;
}

int opened(int directory, const char* name, int flags, mode_t mode) {
  using Openat = int(int, const char*, int, ...);
  const auto make = [&] { return real<Openat>("openat")(directory, name, flags, mode); };
  const std::lock_guard lock(mutex);
  const std::string path = path_at(directory, name);
  if (!watched(path)) return make();
  struct stat status {};
  const bool fresh = (flags & O_CREAT) != 0 && stat(path.c_str(), &status) != 0;
  Event event{fresh ? Call::kCreate : Call::kOpen, path};
  event.size = (flags & O_TRUNC) != 0;
  return through(event, make);
}

}  // namespace

const char* name_of(Call call) {
  constexpr const char* names[] = {"open",    "create", "pread",    "pwrite", "write",  "fsync",
                                   "reserve", "rename", "exchange", "mkdir",  "unlink", "rmdir"};
  return names[static_cast<int>(call)];
}

Watch::Watch(std::string root, Before before_call, After after_call) {
  const std::lock_guard lock(mutex);
  watcher = new Watcher{std::move(root), std::move(before_call), std::move(after_call)};
}

Watch::~Watch() {
  const std::lock_guard lock(mutex);
  delete watcher;
  watcher = nullptr;
}

}  // namespace bessemer::faults

using namespace bessemer::faults;

extern "C" {

int open(const char* name, int flags, ...) {
  va_list list;
  va_start(list, flags);
  const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(list, mode_t) : 0;
  va_end(list);
  return opened(AT_FDCWD, name, flags, mode);
}
int open64(const char* name, int flags, ...) {
  va_list list;
  va_start(list, flags);
  const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(list, mode_t) : 0;
  va_end(list);
  return opened(AT_FDCWD, name, flags, mode);
}
int openat(int directory, const char* name, int flags, ...) {
  va_list list;
  va_start(list, flags);
  const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(list, mode_t) : 0;
  va_end(list);
  return opened(directory, name, flags, mode);
}

ssize_t pread(int fd, void* data, size_t bytes, off_t offset) {
  using Pread = ssize_t(int, void*, size_t, off_t);
  return through(Event{Call::kPread, path_of(fd)}, [&] { return real<Pread>("pread")(fd, data, bytes, offset); });
}

static ssize_t written(Event event, const void* data, size_t bytes, const std::function<ssize_t(size_t)>& make) {
  const std::lock_guard lock(bessemer::faults::mutex);
  if (!watched(event.path)) return make(bytes);
  event.data.assign(static_cast<const char*>(data), bytes);
  const int what = before(event);
  if (what > 0) {
    errno = what;
    return -1;
  }
  const ssize_t n = make(what == Watch::kShort && bytes > 1 ? bytes / 2 : bytes);
  if (n > 0) event.data.resize(static_cast<size_t>(n)), after(event);
  return n;
}
ssize_t pwrite(int fd, const void* data, size_t bytes, off_t offset) {
  using Pwrite = ssize_t(int, const void*, size_t, off_t);
  Event event{Call::kPwrite, path_of(fd)};
  event.offset = offset;
  return written(event, data, bytes, [&](size_t n) { return real<Pwrite>("pwrite")(fd, data, n, offset); });
}
ssize_t write(int fd, const void* data, size_t bytes) {
  using Write = ssize_t(int, const void*, size_t);
  return written({Call::kWrite, path_of(fd)}, data, bytes, [&](size_t n) { return real<Write>("write")(fd, data, n); });
}

int fsync(int fd) {
  return through(Event{Call::kFsync, path_of(fd)}, [&] { return real<int(int)>("fsync")(fd); });
}
int posix_fallocate(int fd, off_t offset, off_t bytes) {
  Event event{Call::kReserve, path_of(fd)};
  event.size = offset + bytes;
  errno = 0;
  // It returns the error.
  const int result =
      through(event, [&] { return -real<int(int, off_t, off_t)>("posix_fallocate")(fd, offset, bytes); });
  return result == -1 && errno != 0 ? errno : -result;
}
int ftruncate(int fd, off_t bytes) {
  Event event{Call::kReserve, path_of(fd)};
  event.size = bytes;
  return through(event, [&] { return real<int(int, off_t)>("ftruncate")(fd, bytes); });
}
int rename(const char* from, const char* to) {
  return through(Event{Call::kRename, from, to},
                 [&] { return real<int(const char*, const char*)>("rename")(from, to); });
}
int renameat2(int from_directory, const char* from, int to_directory, const char* to, unsigned flags) {
  using Renameat2 = int(int, const char*, int, const char*, unsigned);
  return through(Event{Call::kExchange, path_at(from_directory, from), path_at(to_directory, to)},
                 [&] { return real<Renameat2>("renameat2")(from_directory, from, to_directory, to, flags); });
}
int mkdir(const char* path, mode_t mode) {
  return through(Event{Call::kMkdir, path}, [&] { return real<int(const char*, mode_t)>("mkdir")(path, mode); });
}
int unlink(const char* path) {
  return through(Event{Call::kUnlink, path}, [&] { return real<int(const char*)>("unlink")(path); });
}
int unlinkat(int directory, const char* name, int flags) {
  return through(Event{(flags & AT_REMOVEDIR) != 0 ? Call::kRmdir : Call::kUnlink, path_at(directory, name)},
                 [&] { return real<int(int, const char*, int)>("unlinkat")(directory, name, flags); });
}
int rmdir(const char* path) {
  return through(Event{Call::kRmdir, path}, [&] { return real<int(const char*)>("rmdir")(path); });
}
}
