#include "data/sampler.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "parallel/error.h"

namespace bessemer::data {
namespace {

using Sources = std::vector<Sampler::Source>;

TEST(Sampler, VisitsEachWindowOncePerEpochAndReordersThem) {
  for (const int64_t windows : {1, 2, 3, 64, 1000, 1001}) {
    Sampler sampler(7, {{windows}});
    std::vector<int64_t> orders[2];
    for (int64_t row = 0; row < 2 * windows; ++row) {
      ASSERT_EQ(sampler.row(), row);
      const auto taken = sampler.take(1).front();
      ASSERT_EQ(sampler.epoch(taken), row / windows);
      orders[row / windows].push_back(sampler.window(taken));
    }
    for (const auto& order : orders) {
      const std::set<int64_t> seen(order.begin(), order.end());
      EXPECT_EQ(static_cast<int64_t>(seen.size()), windows);
      EXPECT_EQ(*seen.begin(), 0);
      EXPECT_EQ(*seen.rbegin(), windows - 1);
    }
    EXPECT_TRUE(windows < 64 || orders[0] != orders[1]);
  }
}

TEST(Sampler, AnotherSeedGivesAnotherOrder) {
  const Sampler one(1, {{1000}}), two(2, {{1000}}), same(1, {{1000}});
  int differ = 0;
  for (int64_t row = 0; row < 1000; ++row) {
    differ += one.window({0, row}) != two.window({0, row});
    ASSERT_EQ(one.window({0, row}), same.window({0, row}));
  }
  EXPECT_GT(differ, 900);
}

/// After every single row, how far a source is from its share at most.
double farthest(const std::vector<uint64_t>& shares, int64_t rows) {
  Sources sources;
  double sum = 0, most = 0;
  for (const auto share : shares) sources.push_back({1000, share}), sum += static_cast<double>(share);
  Sampler sampler(1, sources);
  for (int64_t i = 1; i <= rows; ++i) {
    sampler.take(1);
    for (const auto& s : sampler.sources()) {
      const double due = static_cast<double>(i) * static_cast<double>(s.share) / sum;
      most = std::max(most, std::abs(static_cast<double>(s.rows) - due));
    }
  }
  return most;
}

TEST(Sampler, EachSourceOfABlendIsWithinOneRowOfItsShareAtAnyTime) {
  EXPECT_LT(farthest({7, 3}, 10000), 1);
  EXPECT_LT(farthest({1, 1, 1}, 10000), 1);
  EXPECT_LT(farthest({5, 3, 1, 1}, 10000), 1);
  EXPECT_LT(farthest({1, 1000000}, 10000), 1);
  EXPECT_LT(farthest({uint64_t{1} << 54, (uint64_t{1} << 54) - 1, 12345, 1}, 10000), 1);
  std::vector<uint64_t> many;
  uint64_t x = 1;
  for (int i = 0; i < 50; ++i) many.push_back((x = x * 6364136223846793005u + 1442695040888963407u) >> 20);
  EXPECT_LT(farthest(many, 20000), 1);
}

TEST(Sampler, EachSourceOfABlendHasItsOwnEpochs) {
  Sampler sampler(7, {{50, 7}, {30, 3}});
  std::vector<std::set<std::pair<int64_t, int64_t>>> seen(2);
  for (const auto& row : sampler.take(200))
    EXPECT_TRUE(seen[row.source].insert({sampler.epoch(row), sampler.window(row)}).second) << "twice in an epoch";
  EXPECT_EQ(sampler.sources()[0].rows, 140);
  EXPECT_EQ(sampler.sources()[1].rows, 60);
  for (int64_t epoch = 0; epoch < 2; ++epoch) {
    for (int64_t window = 0; window < 30; ++window) EXPECT_TRUE(seen[1].contains({epoch, window}));
  }
}

TEST(Sampler, GoesOnFromAnyPlaceAndSkipsAsItTakes) {
  for (const Sources& sources : {Sources{{29}}, Sources{{29, 5}, {31, 2}, {7, 3}}}) {
    Sampler whole(3, sources);
    const auto rows = whole.take(500);
    for (const int64_t stop : {0, 1, 7, 250, 499}) {
      Sampler skipped(3, sources);
      skipped.skip(stop);
      Sampler resumed(3, skipped.sources(), skipped.row());
      EXPECT_EQ(resumed.row(), stop);
      const auto rest = resumed.take(500 - stop);
      for (std::size_t i = 0; i < rest.size(); ++i) {
        const auto& expected = rows[static_cast<std::size_t>(stop) + i];
        ASSERT_EQ(rest[i].source, expected.source);
        ASSERT_EQ(rest[i].index, expected.index);
      }
    }
  }
}

TEST(Sampler, WindowsBeyond32BitsAreVisitedLikewise) {
  const int64_t windows = (int64_t{1} << 32) + 3;
  const Sampler sampler(7, {{windows}});
  std::set<int64_t> seen;
  int64_t above = 0;
  for (const int64_t first : {int64_t{0}, (int64_t{1} << 31) - 500, (int64_t{1} << 32) - 500, 3 * windows - 500}) {
    for (int64_t i = first; i < first + 500; ++i) {
      const int64_t window = sampler.window({0, i});
      ASSERT_GE(window, 0);
      ASSERT_LT(window, windows);
      above += window > INT32_MAX;
      seen.insert(window);
    }
  }
  EXPECT_GT(above, 800);
  EXPECT_GT(seen.size(), 1990u);
}

TEST(Sampler, RefusesNothingToRead) {
  EXPECT_THROW(Sampler(7, {}), Error);
  EXPECT_THROW(Sampler(7, {{0}}), Error);
  EXPECT_THROW(Sampler(7, {{1, 0}}), Error);
}

}  // namespace
}  // namespace bessemer::data
