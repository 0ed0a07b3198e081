#include "data/sampler.h"

#include <gtest/gtest.h>

#include <set>

#include "parallel/error.h"

namespace bessemer::data {

TEST(Sampler, VisitsEachWindowOncePerEpochAndReordersThem) {
  for (const int64_t windows : {1, 2, 3, 64, 1000, 1001}) {
    const Sampler sampler(7, windows, 4);
    std::vector<int64_t> orders[2];
    for (int64_t row = 0; row < 2 * windows; ++row) {
      ASSERT_EQ(sampler.epoch(row), row / windows);
      orders[row / windows].push_back(sampler.window(row));
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
  const Sampler one(1, 1000, 1), two(2, 1000, 1), same(1, 1000, 1);
  int differ = 0;
  for (int64_t row = 0; row < 1000; ++row) {
    differ += one.window(row) != two.window(row);
    ASSERT_EQ(one.window(row), same.window(row));
  }
  EXPECT_GT(differ, 900);
}

TEST(Sampler, TheRowsOfAStepAreTheSameOnEveryLayout) {
  const Sampler sampler(7, 1000, 24);
  std::vector<int64_t> expected;
  for (int64_t row = 5 * 24; row < 6 * 24; ++row) expected.push_back(row);
  for (const int dp : {1, 2, 4, 8}) {
    for (const int64_t micro_batch : {1, 3}) {
      std::vector<int64_t> rows;
      for (int rank = 0; rank < dp; ++rank) {
        for (int64_t micro_step = 0; micro_step < 24 / dp / micro_batch; ++micro_step) {
          for (const int64_t row : sampler.rows(5, micro_step, rank, dp, micro_batch)) rows.push_back(row);
        }
      }
      EXPECT_EQ(rows, expected) << dp << " " << micro_batch;
    }
  }
}

TEST(Sampler, RefusesABatchThatDoesNotDivide) {
  EXPECT_THROW(Sampler(7, 1000, 10).rows(0, 0, 0, 4, 1), Error);
  EXPECT_THROW(Sampler(7, 0, 10), Error);
}

}  // namespace bessemer::data
