#include "data/neighbours/token_hash.h"

#include <algorithm>

#include "data/neighbours/element.h"

namespace bessemer::data {

void TokenHash::update(std::span<const uint32_t> ids) {
  if (width_ == 4) return hash_.update(ids.data(), ids.size_bytes());
  bytes_.resize(ids.size() * width_);
  narrow(ids, width_, bytes_.data());
  hash_.update(bytes_.data(), bytes_.size());
}

void TokenHash::update(const TokenShard& shard, const std::function<void(uint64_t)>& progress) {
  constexpr uint64_t kPiece = 1 << 18;
  std::vector<int64_t> read;
  for (uint64_t first = 0; first < shard.facts().tokens; first += read.size()) {
    read.resize(std::min(kPiece, shard.facts().tokens - first));
    shard.read(first, read);
    update(std::vector<uint32_t>(read.begin(), read.end()));
    progress(read.size());
  }
}

}  // namespace bessemer::data
