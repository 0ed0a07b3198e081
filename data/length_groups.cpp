#include "data/length_groups.h"

#include <algorithm>

#include "data/corpus.h"
#include "parallel/random.h"

namespace bessemer::data {
namespace {

constexpr int64_t kBatches = 64;  // more sort finer, and are less of a random order

}  // namespace

LengthGroups::LengthGroups(std::shared_ptr<const Corpus> corpus, int64_t batch)
    : corpus_(std::move(corpus)), batch_(batch) {}

LengthGroups::Row LengthGroups::at(uint64_t seed, int64_t index) const {
  const std::lock_guard lock(mutex_);
  if (seed != recent_.seed || index < recent_.begin || index >= recent_.end) recent_ = make(seed, index);
  return recent_.rows[static_cast<std::size_t>(index - recent_.begin)];
}

LengthGroups::Group LengthGroups::make(uint64_t seed, int64_t index) const {
  const int64_t windows = corpus_->rows(), epoch = index / windows, size = kBatches * batch_;
  const uint64_t key = parallel::stream_key(seed, "data/order", static_cast<uint64_t>(epoch));
  Group group{seed,
              std::max(index - index % size, epoch * windows),
              std::min(index - index % size + size, (epoch + 1) * windows),
              {}};
  for (int64_t i = group.begin; i < group.end; ++i)
    group.rows.push_back({static_cast<int64_t>(parallel::permute(key, static_cast<uint64_t>(windows),
                                                                 static_cast<uint64_t>(i - epoch * windows))),
                          0});
  const auto by_row = [](const Row& a, const Row& b) { return a.row < b.row; };
  std::sort(group.rows.begin(), group.rows.end(), by_row);  // neighbours are found together
  for (auto& row : group.rows) row.tokens = corpus_->row_tokens(row.row);
  std::stable_sort(group.rows.begin(), group.rows.end(),
                   [](const Row& a, const Row& b) { return a.tokens < b.tokens; });

  // Batches begin at multiples of their size, whatever epoch it is: the first and the last of a group may be shorter.
  const int64_t first = group.begin / batch_, count = (group.end - 1) / batch_ - first + 1;
  const uint64_t turns = parallel::stream_key(key, "data/batches", static_cast<uint64_t>(group.begin));
  std::vector<Row> in_turn(group.rows.size());
  auto next = group.rows.begin();
  for (int64_t k = 0; k < count; ++k) {
    const auto b =
        first + static_cast<int64_t>(parallel::permute(turns, static_cast<uint64_t>(count), static_cast<uint64_t>(k)));
    const int64_t begin = std::max(b * batch_, group.begin), end = std::min((b + 1) * batch_, group.end);
    std::copy_n(next, end - begin, in_turn.begin() + (begin - group.begin));
    next += end - begin;
  }
  group.rows = std::move(in_turn);
  return group;
}

}  // namespace bessemer::data
