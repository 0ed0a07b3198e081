#pragma once
#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "data/options.h"
#include "data/shard_cache.h"
#include "data/shard_tokens.h"
#include "data/tokenizer.h"

namespace bessemer::data {

// Data sets that are fetched by data.fetch as they are read: from dataset.json it is known which shards there are.

/// A path with a scheme ("s3://bucket/web"); with data.fetch also one that is no directory here ("host:/data/web").
bool is_remote(const std::string& path, const DataOptions& options);

/// Null where no command is given. \param processes  of this job on this host. \param stop  FetchCommand::stop
std::shared_ptr<ShardCache> make_shard_cache(const DataOptions& options, int processes,
                                             std::shared_ptr<const std::atomic<bool>> stop = {});

/// As splits_of, open_shards and open_tokenizer of a directory. Shards are fetched when they are read.
/// Errors: as fetch(); Error (65) where dataset.json is not what `data build` writes.
std::vector<std::string> remote_splits(const ShardCache& cache, const std::string& source);
ShardTokens open_remote(const std::shared_ptr<ShardCache>& cache, const std::string& source, const std::string& split,
                        BlockCheck check);
std::string remote_manifest(const ShardCache& cache, const std::string& source);  ///< the text of dataset.json
std::unique_ptr<Tokenizer> remote_tokenizer(const ShardCache& cache, const std::string& source);

}  // namespace bessemer::data
