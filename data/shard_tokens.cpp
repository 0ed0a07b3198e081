#include "data/shard_tokens.h"

#include <algorithm>
#include <array>

#include "parallel/error.h"

namespace bessemer::data {
namespace {

/// The part of `begins` (first number of each part, then the end) that holds `at`; empty parts hold nothing.
std::size_t part_of(const std::vector<int64_t>& begins, int64_t at) {
  return static_cast<std::size_t>(std::upper_bound(begins.begin(), begins.end(), at) - begins.begin()) - 1;
}

/// Its first document began in the shard before. (At the beginning of a split it began in another split: here it is
/// one.)
bool begins_inside(const ShardFacts& shard) { return shard.continues && shard.documents > 0 && shard.index > 0; }

std::vector<ShardFacts> facts_of(const std::vector<TokenShard>& shards) {
  std::vector<ShardFacts> facts;
  for (const auto& shard : shards) {
    facts.push_back(shard.facts());
    facts.back().source.clear();  // of all shards the same, and long
  }
  return facts;
}

ShardTokens::OpenShard open_all(std::vector<TokenShard> shards) {
  std::vector<std::shared_ptr<const TokenShard>> all;
  for (auto& shard : shards) all.push_back(std::make_shared<const TokenShard>(std::move(shard)));
  return [all = std::move(all)](std::size_t i) { return all[i]; };
}

}  // namespace

ShardTokens::ShardTokens(std::vector<TokenShard> shards)
    : path_(shards.front().path()), facts_(facts_of(shards)), open_(open_all(std::move(shards))) {
  number();
}

ShardTokens::ShardTokens(std::string path, std::vector<ShardFacts> facts, OpenShard open)
    : path_(std::move(path)), facts_(std::move(facts)), open_(std::move(open)) {
  number();
}

void ShardTokens::number() {
  for (const auto& shard : facts_) {
    begins_.push_back(begins_.back() + static_cast<int64_t>(shard.tokens));
    documents_.push_back(documents_.back() + static_cast<int64_t>(shard.documents) - begins_inside(shard));
  }
}

/// read(shard, its first, part of out) for each shard that has some.
template <class T, class Read>
void ShardTokens::read_parts(int64_t first, std::span<T> out, const Read& read) const {
  BESSEMER_CHECK_DATA(first >= 0 && first <= size() && static_cast<int64_t>(out.size()) <= size() - first, path(),
                      ": its split has ", size(), " tokens, tokens ", first, " to ",
                      first + static_cast<int64_t>(out.size()), " are wanted");
  for (auto shard = part_of(begins_, first); !out.empty(); ++shard) {  // empty shards among them
    const auto n = std::min<std::size_t>(out.size(), static_cast<std::size_t>(begins_[shard + 1] - first));
    if (n > 0) read(*open_(shard), static_cast<uint64_t>(first - begins_[shard]), out.first(n));
    first += static_cast<int64_t>(n);
    out = out.subspan(n);
  }
}

void ShardTokens::read(int64_t first, std::span<int64_t> out) const {
  read_parts(first, out, [](const TokenShard& shard, uint64_t at, std::span<int64_t> part) { shard.read(at, part); });
}

void ShardTokens::loss_mask(int64_t first, std::span<uint8_t> out) const {
  read_parts(first, out,
             [](const TokenShard& shard, uint64_t at, std::span<uint8_t> part) { shard.loss_mask(at, part); });
}

std::vector<int64_t> ShardTokens::document_begins(int64_t first, int64_t last) const {
  std::vector<int64_t> out;
  out.reserve(static_cast<std::size_t>(last - first));
  std::vector<uint64_t> offsets;
  for (auto shard = part_of(documents_, first); first < std::min(last, documents()); ++shard) {
    const int64_t n = std::min(last, documents_[shard + 1]) - first;
    if (n <= 0) continue;
    offsets.resize(static_cast<std::size_t>(n));
    open_(shard)->document_offsets(static_cast<uint64_t>(first - documents_[shard] + begins_inside(facts_[shard])),
                                   offsets);
    for (const uint64_t offset : offsets) out.push_back(begins_[shard] + static_cast<int64_t>(offset));
    first += n;
  }
  if (first < last) out.push_back(size());
  return out;
}

std::vector<int64_t> ShardTokens::sentences_between(int64_t first, int64_t last) const {
  std::vector<int64_t> out;
  for (auto shard = part_of(begins_, first); shard < facts_.size() && begins_[shard] < last; ++shard) {
    const int64_t begin = begins_[shard];
    const auto found =
        open_(shard)->sentences_between(static_cast<uint64_t>(std::max<int64_t>(0, first - begin)),
                                        static_cast<uint64_t>(std::min(last, begins_[shard + 1]) - begin));
    for (const uint64_t at : found) out.push_back(begin + static_cast<int64_t>(at));
  }
  return out;
}

int64_t ShardTokens::document_begin(int64_t d) const { return document_begins(d, d + 1).front(); }

int64_t ShardTokens::first_document_from(int64_t token) const {
  int64_t low = 0, high = documents();
  if (const auto shard = part_of(begins_, token); shard < facts_.size())
    low = documents_[shard], high = documents_[shard + 1];
  while (low < high) {
    const int64_t middle = low + (high - low) / 2;
    if (document_begin(middle) < token)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

}  // namespace bessemer::data
