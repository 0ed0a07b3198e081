#include "parallel/group.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <vector>

#include "parallel/error.h"
#include "parallel/tree_sum.h"
#include "tests/support/thread_world.h"

namespace bessemer::parallel {
namespace {

using tests::run_ranks;

TEST(GroupOfOne, IsTheIdentity) {
  const Group alone;
  auto x = at::arange(5).to(at::kFloat);
  alone.all_reduce(x);
  EXPECT_TRUE(at::equal(x, at::arange(5).to(at::kFloat)));
  EXPECT_EQ(alone.all_reduce(7, ReduceOp::kMax), 7);
  EXPECT_EQ(alone.broadcast("text", 0), "text");
  EXPECT_EQ(alone.all_gather(std::string("a")), std::vector<std::string>{"a"});
}

constexpr int64_t kSizes[] = {0, 1, 3, 17, 1000, 140001};  // the last is more than two pieces of any backend

// What rank `rank` brings: any rank can compute it, so that any rank can check the result.
at::Tensor contribution(int rank, int64_t n, at::ScalarType dtype) {
  const auto i = at::arange(n, at::kFloat);
  if (dtype == at::kLong) return at::arange(n) * (rank + 1);
  return i.mul_(0.37).add_(rank * 1.7).sin_().mul_(rank % 3 == 1 ? 1000 : 1).to(dtype);
}

at::Tensor expected_sum(int ranks, int64_t n, at::ScalarType dtype) {
  std::vector<at::Tensor> parts;
  std::vector<const void*> pointers;
  for (int r = 0; r < ranks; ++r) parts.push_back(contribution(r, n, dtype));
  for (const auto& p : parts) pointers.push_back(p.const_data_ptr());
  auto sum = at::empty({n}, dtype);
  tree_reduce(pointers, sum.mutable_data_ptr(), n, dtype);
  return sum;
}

class GroupRanks : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Threads, GroupRanks, testing::Values(1, 2, 3, 4));

TEST_P(GroupRanks, AllReduceIsTheTreeSumBitForBit) {
  const int ranks = GetParam();
  run_ranks(ranks, [&](const Grid& grid) {
    for (const auto dtype : {at::kFloat, at::kBFloat16, at::kHalf, at::kLong}) {
      for (const int64_t n : kSizes) {
        auto x = contribution(grid.rank, n, dtype);
        grid.dp.all_reduce(x);
        EXPECT_TRUE(at::equal(x, expected_sum(ranks, n, dtype))) << dtype << " " << n;
      }
    }
  });
}

TEST_P(GroupRanks, CuttingABufferChangesNoBit) {
  const int ranks = GetParam();
  run_ranks(ranks, [&](const Grid& grid) {
    auto x = contribution(grid.rank, 5000, at::kFloat);
    for (int64_t begin = 0, n = 1; begin < 5000; begin += n, n = std::min<int64_t>(2 * n + 1, 5000 - begin)) {
      auto part = x.narrow(0, begin, n);
      grid.dp.all_reduce(part);
    }
    EXPECT_TRUE(at::equal(x, expected_sum(ranks, 5000, at::kFloat)));
  });
}

TEST_P(GroupRanks, ReduceScatterGivesEachRankItsRows) {
  const int ranks = GetParam();
  run_ranks(ranks, [&](const Grid& grid) {
    for (const auto dtype : {at::kFloat, at::kBFloat16, at::kHalf, at::kLong}) {
      for (const int64_t n : kSizes) {
        const auto whole = contribution(grid.rank, n * ranks, dtype);
        auto part = at::empty({n}, dtype);
        grid.dp.reduce_scatter(whole, part);
        EXPECT_TRUE(at::equal(part, expected_sum(ranks, n * ranks, dtype).narrow(0, grid.rank * n, n)))
            << dtype << " " << n;
        EXPECT_TRUE(at::equal(whole, contribution(grid.rank, n * ranks, dtype)));
      }
    }
  });
}

TEST_P(GroupRanks, AllGatherAndBroadcastMoveBytesOfAnyType) {
  const int ranks = GetParam();
  run_ranks(ranks, [&](const Grid& grid) {
    for (const auto dtype : {at::kFloat, at::kHalf, at::kLong, at::kByte, at::kDouble}) {
      for (const int64_t n : kSizes) {
        const auto mine = (at::arange(n) % 50 + grid.rank).to(dtype);
        auto whole = at::empty({ranks * n}, dtype);
        grid.dp.all_gather(mine, whole);
        for (int r = 0; r < ranks; ++r)
          EXPECT_TRUE(at::equal(whole.narrow(0, r * n, n), (at::arange(n) % 50 + r).to(dtype)));
        auto data = mine.clone();
        grid.dp.broadcast(data, ranks - 1);
        EXPECT_TRUE(at::equal(data, (at::arange(n) % 50 + ranks - 1).to(dtype)));
      }
    }
  });
}

TEST_P(GroupRanks, AllReduceFindsExtremes) {
  const int ranks = GetParam();
  run_ranks(ranks, [&](const Grid& grid) {
    EXPECT_EQ(grid.world.all_reduce(grid.rank, ReduceOp::kMax), ranks - 1);
    EXPECT_EQ(grid.world.all_reduce(grid.rank - 5, ReduceOp::kMin), -5);
    EXPECT_EQ(grid.world.all_reduce(int64_t{1} << 40, ReduceOp::kSum), ranks * (int64_t{1} << 40));
  });
}

TEST_P(GroupRanks, SeveralStartedReductionsEndRightWhateverTheOrderOfWaiting) {
  const int ranks = GetParam();
  run_ranks(ranks, [&](const Grid& grid) {
    auto a = contribution(grid.rank, 300001, at::kFloat), b = contribution(grid.rank, 7, at::kHalf);
    const auto whole = contribution(grid.rank, 1000 * ranks, at::kFloat);
    auto part = at::empty({1000}, at::kFloat);
    std::vector<Work> works;
    works.push_back(grid.dp.start_all_reduce(a));
    works.push_back(grid.dp.start_reduce_scatter(whole, part));
    works.push_back(grid.dp.start_all_reduce(b));
    auto between = contribution(grid.rank, 100, at::kFloat);
    grid.dp.all_reduce(between);  // a blocking one while others are under way
    if (works[0]) works[0]->poll();
    for (std::size_t i = 0; i < 3; ++i) {
      const auto& work = works[(i + static_cast<std::size_t>(grid.rank)) % 3];
      if (work) {
        work->wait();
        EXPECT_TRUE(work->poll());
      }
    }
    EXPECT_TRUE(at::equal(between, expected_sum(ranks, 100, at::kFloat)));
    EXPECT_TRUE(at::equal(a, expected_sum(ranks, 300001, at::kFloat)));
    EXPECT_TRUE(at::equal(b, expected_sum(ranks, 7, at::kHalf)));
    EXPECT_TRUE(at::equal(part, expected_sum(ranks, 1000 * ranks, at::kFloat).narrow(0, 1000 * grid.rank, 1000)));
  });
}

TEST_P(GroupRanks, TextsOfAnyLengthReachEveryRank) {
  const int ranks = GetParam();
  run_ranks(ranks, [&](const Grid& grid) {
    EXPECT_EQ(grid.world.broadcast(std::string(static_cast<std::size_t>(grid.rank * 7), 'x'), ranks - 1),
              std::string(static_cast<std::size_t>((ranks - 1) * 7), 'x'));
    const auto texts =
        grid.world.all_gather(std::string(static_cast<std::size_t>(grid.rank), static_cast<char>('a' + grid.rank)));
    ASSERT_EQ(texts.size(), static_cast<std::size_t>(ranks));
    for (int r = 0; r < ranks; ++r)
      EXPECT_EQ(texts[static_cast<std::size_t>(r)],
                std::string(static_cast<std::size_t>(r), static_cast<char>('a' + r)));
    EXPECT_EQ(grid.world.broadcast("", 0), "");
  });
}

TEST(GridRanks, GroupsOfBothAxesWorkBesideEachOther) {
  run_ranks(
      4,
      [](const Grid& grid) {
        EXPECT_EQ(grid.tp.size(), 2);
        EXPECT_EQ(grid.dp.size(), 2);
        auto x = at::full({10}, 1 << grid.rank, at::kLong);
        grid.tp.all_reduce(x);
        EXPECT_EQ(x[3].item<int64_t>(), grid.rank < 2 ? 3 : 12);
        grid.dp.all_reduce(x);
        EXPECT_EQ(x[9].item<int64_t>(), 15);
        grid.world.barrier();
      },
      /*tp=*/2);
}

TEST(ThreadWorld, AnExceptionOfOneRankReleasesTheOthers) {
  EXPECT_THROW(run_ranks(3,
                         [](const Grid& grid) {
                           if (grid.rank == 1) fail(ExitCode::kUsage, "rank 1 cannot go on");
                           grid.world.barrier();
                         }),
               Error);
}

TEST(ThreadWorld, RanksInheritTheGradModeOfTheirParent) {
  const at::NoGradGuard guard;
  run_ranks(2, [](const Grid&) { EXPECT_FALSE(c10::GradMode::is_enabled()); });
}

}  // namespace
}  // namespace bessemer::parallel
