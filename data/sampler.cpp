#include "data/sampler.h"

#include "data/length_groups.h"
#include "parallel/error.h"
#include "parallel/random.h"

namespace bessemer::data {
namespace {

__extension__ using Wide = unsigned __int128;  // products of two 63-bit numbers

// Of the sources that are behind their share, the one whose next row is due first: after any number of rows each has
// given its share but for less than one. Source: Tijdeman 1980, "The chairman assignment problem".
std::size_t next_source(const std::vector<Sampler::Source>& sources, uint64_t sum) {
  uint64_t rows = 0;
  for (const auto& source : sources) rows += static_cast<uint64_t>(source.blended);
  const Sampler::Source* best = nullptr;
  for (const auto& source : sources) {
    const auto given = static_cast<uint64_t>(source.blended);
    if (Wide{given} * sum >= Wide{rows + 1} * source.share) continue;  // ahead of its share
    if (best == nullptr ||
        Wide{given + 1} * best->share < Wide{static_cast<uint64_t>(best->blended) + 1} * source.share)
      best = &source;
  }
  return static_cast<std::size_t>(best - sources.data());
}

}  // namespace

Sampler::Sampler(uint64_t seed, std::vector<Source> sources, int64_t row)
    : seed_(seed), sources_(std::move(sources)), row_(row) {
  BESSEMER_CHECK(!sources_.empty(), "there is nothing to read; at least one source is expected");
  for (const auto& source : sources_) {
    BESSEMER_CHECK(source.windows >= 1, "the data has ", source.windows, " windows; at least one is expected");
    BESSEMER_CHECK(source.share >= 1, "a source has no share of the blend; leave it out");
    shares_ += source.share;
  }
}

Sampler::Row Sampler::next() {
  const std::size_t k = sources_.size() == 1 ? 0 : next_source(sources_, shares_);
  auto& source = sources_[k];
  ++source.blended, ++row_;
  return {k, source.rows++};
}

std::vector<Sampler::Row> Sampler::take(int64_t count) {
  std::vector<Row> rows;
  rows.reserve(static_cast<std::size_t>(count));
  for (int64_t i = 0; i < count; ++i) rows.push_back(next());
  return rows;
}

void Sampler::skip(int64_t count) {
  if (sources_.size() == 1) {
    sources_[0].rows += count, sources_[0].blended += count, row_ += count;
    return;
  }
  for (int64_t i = 0; i < count; ++i) next();
}

int64_t Sampler::window(const Row& row) const {
  const auto& source = sources_[row.source];
  if (source.groups) return source.groups->at(seed_, row.index).row;
  const int64_t windows = source.windows;
  const uint64_t key = parallel::stream_key(seed_, "data/order", static_cast<uint64_t>(epoch(row)));
  return static_cast<int64_t>(
      parallel::permute(key, static_cast<uint64_t>(windows), static_cast<uint64_t>(row.index % windows)));
}

int64_t Sampler::tokens(const Row& row) const {
  const auto& source = sources_[row.source];
  return source.groups ? source.groups->at(seed_, row.index).tokens : 0;
}

}  // namespace bessemer::data
