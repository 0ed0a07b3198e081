#pragma once
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "data/build.h"
#include "data/spool.h"
#include "data/token_shard.h"

namespace bessemer::data {

/// The spools of a build, in order.
struct Spools {
  std::string folder;
  bool wide = false;
  std::vector<UnitFacts> units;
  std::string path(std::size_t unit) const;  ///< without ending
};

/// What becomes of the documents, before any token is copied.
struct Dealing {
  std::map<std::string, uint64_t> split_tokens;  ///< in the shards, ends of documents included
  uint64_t documents = 0, duplicates = 0;
  std::vector<bool> drop;  ///< by document, in order: duplicates; empty: none
};

/// Counts documents and tokens of each split; finds the later twins of documents with the same text (by 128 bits of
/// hash), in several readings of the records where memory asks for it.
Dealing plan_dealing(const Spools& spools, const BuildOptions& options, int64_t eod_id);

/// Copies all tokens to the shards of their splits. `facts`: what all shards have in common.
/// \param progress  is told tokens copied.
std::vector<ShardFacts> deal(const Spools& spools, const Dealing& dealing, const BuildOptions& options,
                             const ShardFacts& facts, const std::string& out,
                             const std::function<void(uint64_t)>& progress);

}  // namespace bessemer::data
