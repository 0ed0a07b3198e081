#pragma once
#include <string>
#include <vector>

#include "data/token_shard.h"

namespace bessemer::data {

/// The splits that have shards in a directory, sorted ("test", "train", "val").
std::vector<std::string> splits_of(const std::string& directory);

/// All shards of one split in their order.
/// Errors: Error (65) naming the directory or the file: none found, one missing, or not all of one build.
std::vector<TokenShard> open_shards(const std::string& directory, const std::string& split,
                                    BlockCheck check = BlockCheck::kTouch);

}  // namespace bessemer::data
