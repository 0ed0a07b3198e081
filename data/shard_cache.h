#pragma once
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "data/fetch.h"
#include "data/file.h"
#include "data/token_shard.h"

namespace bessemer::data {

/// A shard of a remote data set, as that set's dataset.json has it.
struct RemoteShard {
  std::string source;  ///< the data set: "s3://bucket/web"
  std::string file;    ///< in it: "train-00000-of-00016.h5"
  uint64_t bytes = 0;
  std::string sha256;
};

/// Copies of remote shards in a directory that all processes of a host share, of a bounded size.
///
/// A shard is fetched by one process while the others that want it wait, and appears under its name when its size and
/// SHA-256 are those of dataset.json, or not at all. Shards are named by their SHA-256, so that no other content is
/// ever taken for theirs. Who reads one holds a shared flock on it; what nobody holds goes, the least recently used
/// first, where room is needed. Any thread may use it.
class ShardCache {
 public:
  struct Options {
    FetchCommand command;
    std::string directory;
    uint64_t bytes = 0;  ///< most that it may hold. Only shards that are in use, by other jobs, make it larger
    int processes = 1;   ///< of this job on this host: each holds its part of them open
  };
  explicit ShardCache(Options options);
  ~ShardCache();

  /// The text of a small JSON file of a source, fetched if no process of this host has done so in the last minute.
  std::string json_text(const std::string& source, const std::string& file) const;

  /// Says that these shards are going to be read. Errors: Error (64) where the cache is too small for them.
  void announce(uint64_t bytes, uint64_t largest);
  /// Fetched if it is not here, and not removed while it is held. Errors: as fetch() and TokenShard.
  std::shared_ptr<const TokenShard> open(const RemoteShard& shard, BlockCheck check);

 private:
  struct Held;
  std::shared_ptr<Held> held_or_fetched(const RemoteShard& shard, BlockCheck check) const;
  std::optional<FileDescriptor> hold(const std::string& path, uint64_t bytes) const;
  FileDescriptor fetch_shard(const RemoteShard& shard, const std::string& name) const;
  FileDescriptor lock_of(const std::string& name) const;
  std::string reserve(const std::string& name, uint64_t bytes) const;
  uint64_t reserved() const;
  void make_room(uint64_t bytes) const;
  void close_beyond(uint64_t bytes);

  Options options_;
  std::mutex mutex_;  // guards all below
  uint64_t announced_ = 0;
  std::list<std::shared_ptr<Held>> open_;  ///< the last read one first
};

}  // namespace bessemer::data
