#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "data/sha256.h"
#include "data/token_shard.h"

namespace bessemer::data {

/// SHA-256 of token ids as little-endian numbers of `width` bytes: of a nanoGPT file, what sha256sum says.
class TokenHash {
 public:
  explicit TokenHash(uint32_t width) : width_(width) {}
  void update(std::span<const uint32_t> ids);
  /// All tokens of a shard, their checksums verified. \param progress  is told tokens done.
  void update(const TokenShard& shard, const std::function<void(uint64_t)>& progress);
  std::string hex() const { return hash_.hex(); }

 private:
  uint32_t width_;
  Sha256 hash_;
  std::vector<unsigned char> bytes_;
};

}  // namespace bessemer::data
