#include "data/shard_cache.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <thread>
#include <vector>

#include "data/sha256.h"
#include "parallel/error.h"

namespace bessemer::data {
namespace {

namespace fs = std::filesystem;

/// flock. \return  false where another holds it, and we do not wait.
bool lock(const FileDescriptor& file, int kind) {
  while (::flock(file.get(), kind) != 0) {
    if (errno == EWOULDBLOCK) return false;
    BESSEMER_CHECK_ENV(errno == EINTR, file.path(), ": cannot be locked: ", std::strerror(errno),
                       "; choose a data.cache on a file system with flock");
  }
  return true;
}

/// The lock that another holds while it fetches. Errors: Error (75) where our own fetches are stopped meanwhile.
void lock_for_fetch(const FileDescriptor& file, const FetchCommand& command) {
  while (!lock(file, LOCK_EX | LOCK_NB)) {
    if (command.stopped()) fail(ExitCode::kStopped, "fetches were stopped");
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

/// Least recently used is what has the oldest of these times.
void mark_used(const FileDescriptor& file) { ::futimens(file.get(), nullptr); }

/// Nothing where it is not there. Others take it away and bring it again at any moment.
std::optional<FileDescriptor> open_if_there(const std::string& path) {
  for (int tries = 1;; ++tries) {
    try {
      return FileDescriptor(path, FileDescriptor::Mode::kRead);
    } catch (const Error&) {
      if (!fs::exists(path)) return std::nullopt;
      if (tries == 10) throw;  // it is there, and cannot be read
    }
  }
}

bool has_name(const FileDescriptor& file) {
  struct stat status {};
  return ::fstat(file.get(), &status) == 0 && status.st_nlink > 0;
}

/// What the file system refuses, as our errors are.
template <class Act>
auto refusing(const Act& act) try {
  return act();
} catch (const fs::filesystem_error& error) {
  fail(ExitCode::kEnvironment, error.path1().string(), ": ", error.code().message(), " (in data.cache)");
}

/// A folder that goes with its scope.
struct Folder {
  std::string path;
  explicit Folder(std::string path_) : path(std::move(path_)) {}
  ~Folder() {
    std::error_code ignored;  // nobody to tell
    fs::remove_all(path, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
};

struct CachedFile {
  std::string path;
  uint64_t bytes = 0;
  fs::file_time_type used;
};

/// The least recently used first.
std::vector<CachedFile> files_in(const std::string& directory) {
  std::vector<CachedFile> files;
  std::error_code gone;
  for (const auto& entry : fs::directory_iterator(directory)) {
    CachedFile file{entry.path().string(), entry.file_size(gone), {}};
    if (!gone) file.used = entry.last_write_time(gone);
    if (!gone) files.push_back(std::move(file));
  }
  std::sort(files.begin(), files.end(), [](const auto& a, const auto& b) { return a.used < b.used; });
  return files;
}

std::string gigabytes(uint64_t bytes) {
  char text[40];
  std::snprintf(text, sizeof text, "%.3g GB", static_cast<double>(bytes) / 1e9);
  return text;
}

}  // namespace

/// A shard that is open, and the lock that keeps it.
struct ShardCache::Held {
  Held(FileDescriptor lock_, std::string name_, uint64_t bytes_, BlockCheck check)
      : kept(std::move(lock_)), name(std::move(name_)), bytes(bytes_), shard(kept.path(), check) {}
  ~Held() { mark_used(kept); }
  FileDescriptor kept;
  std::string name;
  uint64_t bytes;
  TokenShard shard;
};

ShardCache::ShardCache(Options options) : options_(std::move(options)) {
  std::error_code error;
  for (const char* part : {"/shards", "/sources", "/fetching", "/locks"}) {
    fs::create_directories(options_.directory + part, error);
    BESSEMER_CHECK_ENV(!error, options_.directory, part, ": cannot be made: ", error.message(),
                       "; choose another data.cache");
  }
}

ShardCache::~ShardCache() = default;

/// One of 256 files, which are never removed: that two shards share one only makes the second wait.
FileDescriptor ShardCache::lock_of(const std::string& name) const {
  return {options_.directory + "/locks/" + sha256(name).substr(0, 2), FileDescriptor::Mode::kCreate};
}

std::string ShardCache::json_text(const std::string& source, const std::string& file) const {
  const std::string name = sha256(source + "/" + file).substr(0, 32), path = options_.directory + "/sources/" + name;
  const auto mine = lock_of(name);
  lock_for_fetch(mine, options_.command);
  std::error_code absent;
  const auto written = fs::last_write_time(path, absent);
  if (!absent && fs::file_time_type::clock::now() - written < std::chrono::minutes(1)) return read_file(path);
  const Folder folder(reserve(name, 0));
  const auto fetched = fetch(options_.command, source + "/" + file, folder.path, [&](const std::string& copy) {
    BESSEMER_CHECK_DATA(nlohmann::json::accept(read_file(copy)), "it is not the JSON that is expected");
  });
  std::string text = read_file(fetched);
  write_file(path, text);
  return text;
}

void ShardCache::announce(uint64_t bytes, uint64_t largest) {
  const std::lock_guard guard(mutex_);
  announced_ += bytes;
  const uint64_t needed = announced_ <= options_.bytes ? 0 : largest * static_cast<uint64_t>(options_.processes);
  BESSEMER_CHECK(needed <= options_.bytes, "data.cache_gb holds ", gigabytes(options_.bytes), ", the data is ",
                 gigabytes(announced_), " in shards of up to ", gigabytes(largest), ", and each of ",
                 options_.processes, " processes of this host reads one; choose at least ", gigabytes(needed),
                 " (all of it is best: rows come from anywhere in the data), or build smaller shards");
}

std::shared_ptr<const TokenShard> ShardCache::open(const RemoteShard& shard, BlockCheck check) {
  const std::string name = shard.sha256.substr(0, 32) + "-" + shard.file;
  const auto as_shard = [](const std::shared_ptr<Held>& held) {
    return std::shared_ptr<const TokenShard>(held, &held->shard);
  };
  {
    const std::lock_guard guard(mutex_);
    for (auto at = open_.begin(); at != open_.end(); ++at) {
      if ((*at)->name != name) continue;
      open_.splice(open_.begin(), open_, at);
      return as_shard(open_.front());
    }
    // Room is also taken from what we hold ourselves.
    if (announced_ > options_.bytes) {
      const uint64_t part = options_.bytes / static_cast<uint64_t>(options_.processes);
      close_beyond(part - std::min(part, shard.bytes));
    }
  }
  auto held = refusing([&] { return held_or_fetched(shard, check); });
  const std::lock_guard guard(mutex_);
  open_.push_front(held);
  return as_shard(held);
}

void ShardCache::close_beyond(uint64_t bytes) {
  uint64_t sum = 0;
  for (auto at = open_.begin(); at != open_.end();) {
    sum += (*at)->bytes;
    at = sum > bytes ? open_.erase(at) : std::next(at);
  }
}

std::shared_ptr<ShardCache::Held> ShardCache::held_or_fetched(const RemoteShard& shard, BlockCheck check) const {
  const std::string name = shard.sha256.substr(0, 32) + "-" + shard.file;
  auto kept = hold(options_.directory + "/shards/" + name, shard.bytes);
  if (!kept) kept = fetch_shard(shard, name);
  return std::make_shared<Held>(std::move(*kept), name, shard.bytes, check);
}

/// The file with a shared lock on it; nothing where it is not here.
std::optional<FileDescriptor> ShardCache::hold(const std::string& path, uint64_t bytes) const {
  auto file = open_if_there(path);
  if (!file) return std::nullopt;
  lock(*file, LOCK_SH);
  if (!has_name(*file)) return std::nullopt;  // removed before we had the lock
  if (file->size() != bytes) {                // a power cut: what has its name was whole once
    ::unlink(path.c_str());
    return std::nullopt;
  }
  mark_used(*file);
  return file;
}

FileDescriptor ShardCache::fetch_shard(const RemoteShard& shard, const std::string& name) const {
  const std::string path = options_.directory + "/shards/" + name;
  const auto mine = lock_of(name);
  lock_for_fetch(mine, options_.command);
  if (auto fetched = hold(path, shard.bytes)) return std::move(*fetched);  // by another process, while we waited
  const Folder folder(reserve(name, shard.bytes));
  require_space(path, shard.bytes);
  const std::string copy =
      fetch(options_.command, shard.source + "/" + shard.file, folder.path, [&](const std::string& at) {
        const uint64_t size = fs::file_size(at);
        BESSEMER_CHECK_DATA(size == shard.bytes, "it has ", size, " bytes, dataset.json says ", shard.bytes);
        const std::string found = sha256_of_file(at);
        BESSEMER_CHECK_DATA(found == shard.sha256, "its SHA-256 is ", found, ", dataset.json says ", shard.sha256);
      });
  const FileDescriptor file(copy, FileDescriptor::Mode::kRead);
  lock(file, LOCK_SH);  // before it can be seen: nobody makes room of it
  ::fsync(file.get());  // where it fails, the size or a block's checksum shows it
  fs::rename(copy, path);
  auto kept = hold(path, shard.bytes);
  BESSEMER_CHECK_ENV(kept, path, ": is gone as soon as it was fetched; who else removes files there?");
  return std::move(*kept);
}

/// Makes room for a fetch, and a folder that holds the room until it is removed. Its lock is held.
std::string ShardCache::reserve(const std::string& name, uint64_t bytes) const {
  const std::string fetching = options_.directory + "/fetching";
  const FileDescriptor all(options_.directory + "/locks/room", FileDescriptor::Mode::kCreate);
  lock(all, LOCK_EX);
  for (const auto& entry : fs::directory_iterator(fetching)) {
    if (entry.path().filename().string().starts_with(name + ".")) const Folder left_behind(entry.path());
  }
  if (bytes > 0) make_room(bytes);
  std::string folder = concat(fetching, "/", name, ".", bytes, ".XXXXXX");
  BESSEMER_CHECK_ENV(::mkdtemp(folder.data()) != nullptr, folder, ": cannot be made: ", std::strerror(errno));
  return folder;
}

/// Bytes of the fetches under way. What a killed process left behind is removed: its lock is free.
uint64_t ShardCache::reserved() const {
  uint64_t sum = 0;
  for (const auto& entry : fs::directory_iterator(options_.directory + "/fetching")) {
    const std::string folder = entry.path().filename();  // NAME.BYTES.XXXXXX
    const auto last = folder.rfind('.'), before = last == 0 ? last : folder.rfind('.', last - 1);
    if (last == std::string::npos || before == std::string::npos) continue;
    const auto theirs = lock_of(folder.substr(0, before));
    if (lock(theirs, LOCK_EX | LOCK_NB)) {
      const Folder remove(entry.path());
      continue;
    }
    uint64_t bytes = 0;
    std::from_chars(folder.data() + before + 1, folder.data() + last, bytes);
    sum += bytes;
  }
  return sum;
}

void ShardCache::make_room(uint64_t bytes) const {
  uint64_t sum = reserved() + bytes;  // first: a fetch that ends as we look is then counted twice, not never
  auto files = files_in(options_.directory + "/shards");
  for (const auto& file : files) sum += file.bytes;
  const auto gone = [&](const CachedFile& file) {
    if (sum <= options_.bytes) return false;
    const auto mine = open_if_there(file.path);
    if (mine && !lock(*mine, LOCK_EX | LOCK_NB)) return false;  // in use
    if (mine && has_name(*mine)) ::unlink(file.path.c_str());
    sum -= file.bytes;
    return true;
  };
  // Several times: who goes from one to another of them may hold each as we come to it.
  for (int passes = 0; passes < 20 && sum > options_.bytes; ++passes) {
    if (passes > 0) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    std::erase_if(files, gone);
  }
}

}  // namespace bessemer::data
