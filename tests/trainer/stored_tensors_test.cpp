#include "trainer/stored_tensors.h"

#include <gtest/gtest.h>

#include "parallel/error.h"

namespace bessemer::trainer {
namespace {

// One rank file whose single tensor has the parts {dim, begin, end, first, count}; offsets follow one another.
StoredTensors map(std::vector<int64_t> shape, const std::vector<std::array<int64_t, 5>>& parts) {
  RankFile rank;
  rank.shard.file = {"shard", 1 << 20, {}};
  int64_t offset = 64;
  for (const auto& p : parts) {
    rank.shard.chunks.push_back({"params/w", "params/w", shape, p[0], p[1], p[2], p[3], p[4], offset});
    offset += 4 * p[4];
  }
  return map_tensors(std::vector<RankFile>{rank});
}

TEST(StoredTensors, RefusesGapsOverlapsAndMisfits) {
  EXPECT_NO_THROW(map({4, 6}, {{1, 0, 2, 0, 8}, {1, 2, 6, 0, 10}, {1, 2, 6, 10, 6}}));
  EXPECT_NO_THROW(map({}, {{0, 0, 1, 0, 1}}));
  EXPECT_NO_THROW(map({0, 3}, {{0, 0, 0, 0, 0}}));
  EXPECT_THROW(map({4, 6}, {{1, 0, 2, 0, 8}}), Error);                                // the end is missing
  EXPECT_THROW(map({4, 6}, {{1, 2, 6, 0, 16}}), Error);                               // the beginning is
  EXPECT_THROW(map({4, 6}, {{1, 0, 2, 0, 8}, {1, 3, 6, 0, 12}}), Error);              // a gap between slices
  EXPECT_THROW(map({4, 6}, {{1, 0, 3, 0, 12}, {1, 2, 6, 0, 16}}), Error);             // slices overlap
  EXPECT_THROW(map({4, 6}, {{0, 0, 4, 0, 10}, {0, 0, 4, 11, 13}}), Error);            // a gap between parts
  EXPECT_THROW(map({4, 6}, {{0, 0, 4, 0, 12}, {0, 0, 4, 11, 13}}), Error);            // parts overlap
  EXPECT_THROW(map({4, 6}, {{0, 0, 4, 0, 24}, {0, 0, 4, 0, 24}}), Error);             // twice
  EXPECT_THROW(map({4, 6}, {{0, 0, 5, 0, 24}}), Error);                               // beyond the shape
  EXPECT_THROW(map({4, 6}, {{2, 0, 4, 0, 24}}), Error);                               // no such dim
  EXPECT_THROW(map({4, 6}, {{0, 0, 4, 0, 25}}), Error);                               // more than the slice
  EXPECT_THROW(map({int64_t{1} << 40, int64_t{1} << 40}, {{0, 0, 1, 0, 1}}), Error);  // overflows
  EXPECT_THROW(map({1 << 19}, {{0, 0, 1 << 19, 0, 1 << 19}}), Error);                 // beyond its file
}

// Element i of the tensor is its number: the file's bytes are known by offset.
std::vector<int64_t> elements(const std::vector<int64_t>& shape, int64_t dim, int64_t begin, int64_t end) {
  int64_t outer = 1, extent = 1, inner = 1;
  for (std::size_t d = 0; d < shape.size(); ++d) {
    (static_cast<int64_t>(d) < dim ? outer : static_cast<int64_t>(d) == dim ? extent : inner) *= shape[d];
  }
  std::vector<int64_t> all;
  for (int64_t o = 0; o < outer; ++o) {
    for (int64_t k = begin * inner; k < end * inner; ++k) all.push_back(o * extent * inner + k);
  }
  return all;
}

TEST(StoredTensors, AnyRequestIsAnsweredFromAnyCut) {
  const std::vector<int64_t> shape = {3, 5, 2};
  for (int64_t stored_dim = 0; stored_dim < 3; ++stored_dim) {
    const int64_t n = shape[static_cast<std::size_t>(stored_dim)];
    std::vector<std::array<int64_t, 5>> parts;
    std::vector<int64_t> file;  // what lies at byte 64 + 4 i
    for (const auto& [b, e] : {std::pair<int64_t, int64_t>{0, 1}, {1, n}}) {
      const auto slice = elements(shape, stored_dim, b, e);
      const auto size = static_cast<int64_t>(slice.size());
      parts.push_back({stored_dim, b, e, 0, size / 3});
      parts.push_back({stored_dim, b, e, size / 3, size - size / 3});
      file.insert(file.end(), slice.begin(), slice.end());
    }
    const auto tensors = map(shape, parts);
    for (int64_t dim = 0; dim < 3; ++dim) {
      for (int64_t b = 0; b < shape[static_cast<std::size_t>(dim)]; ++b) {
        const int64_t e = shape[static_cast<std::size_t>(dim)];
        const auto want = elements(shape, dim, b, e);
        for (int64_t first = 0; first < static_cast<int64_t>(want.size()); first += 4) {
          const int64_t count = std::min<int64_t>(7, static_cast<int64_t>(want.size()) - first);
          std::vector<int64_t> got;
          for_each_stretch(tensors.at("params/w"), dim, b, e, first, count, [&](const Stretch& s) {
            for (int64_t i = 0; i < s.count; ++i)
              got.push_back(file[static_cast<std::size_t>((s.offset - 64) / 4 + i)]);
          });
          ASSERT_EQ(got, std::vector<int64_t>(want.begin() + first, want.begin() + first + count));
        }
      }
    }
    EXPECT_THROW(for_each_stretch(tensors.at("params/w"), 0, 0, 3, 0, 31, [](const Stretch&) {}), Error);
  }
}

TEST(ElementsOf, AShapeThatOverflowsIsRefusedBesideAZeroToo) {
  EXPECT_EQ(elements_of({}), 1);
  EXPECT_EQ(elements_of({3, 0, 5}), 0);
  for (const std::vector<int64_t>& shape : {std::vector<int64_t>{int64_t{1} << 40, int64_t{1} << 40},
                                            {0, int64_t{1} << 40, int64_t{1} << 40},
                                            {int64_t{1} << 40, 0, int64_t{1} << 40},
                                            {-1}}) {
    EXPECT_THROW(elements_of(shape), Error);
  }
}

}  // namespace
}  // namespace bessemer::trainer
