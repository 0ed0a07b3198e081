#include "parallel/collectives.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "parallel/error.h"
#include "tests/support/thread_world.h"

namespace bessemer::parallel {
namespace {

using tests::run_ranks;

class CollectivesRanks : public testing::TestWithParam<int> {
 protected:
  // Runs on GetParam() ranks that form one tensor-parallel group.
  static void each_rank(const tests::RankBody& body) { run_ranks(GetParam(), body, GetParam()); }
};
INSTANTIATE_TEST_SUITE_P(Threads, CollectivesRanks, testing::Values(1, 2, 4));

at::Tensor leaf(int rank, std::vector<int64_t> shape, at::ScalarType dtype = at::kFloat) {
  const int64_t n = c10::multiply_integers(shape);
  return (at::arange(n) % 7 + rank).view(shape).to(dtype).requires_grad_();
}

TEST_P(CollectivesRanks, CopyToSumsGradients) {
  each_rank([](const Grid& grid) {
    const int p = grid.tp.size();
    for (const auto dtype : {at::kFloat, at::kBFloat16}) {
      const auto x = leaf(0, {3, 5}, dtype);
      const auto y = copy_to(x, grid.tp);
      EXPECT_TRUE(at::equal(y, x));
      (y * (grid.tp.rank() + 1)).sum().backward();
      EXPECT_TRUE(at::equal(x.grad(), at::full({3, 5}, p * (p + 1) / 2, dtype)));
    }
  });
}

TEST_P(CollectivesRanks, ReduceFromSumsValuesAndPassesTheGradient) {
  each_rank([](const Grid& grid) {
    const int p = grid.tp.size();
    const auto x = leaf(grid.tp.rank(), {1, 7});
    const auto y = reduce_from(x, grid.tp);
    EXPECT_TRUE(at::equal(y, (at::arange(7) % 7 * p + p * (p - 1) / 2).to(at::kFloat).view({1, 7})));
    (y * 3).sum().backward();
    EXPECT_TRUE(at::equal(x.grad(), at::full({1, 7}, 3.0f)));
    EXPECT_EQ(x.detach()[0][0].item<float>(), grid.tp.rank());  // the argument is left alone
  });
}

TEST_P(CollectivesRanks, GatherAndReduceScatterAreConjugates) {
  each_rank([](const Grid& grid) {
    const int p = grid.tp.size(), r = grid.tp.rank();
    const auto x = leaf(r, {3, 5});
    const auto whole = gather_sequence(x, grid.tp);
    for (int q = 0; q < p; ++q) EXPECT_TRUE(at::equal(whole.narrow(0, 3 * q, 3), leaf(q, {3, 5})));
    const auto rows = at::arange(3 * p).to(at::kFloat).view({-1, 1});
    (whole * rows).sum().backward();  // each rank brings the same gradient: the sum is p of it
    EXPECT_TRUE(at::equal(x.grad(), (rows.narrow(0, 3 * r, 3) * p).expand({3, 5})));

    const auto z = leaf(r, {3 * p, 5});
    const auto part = reduce_scatter_sequence(z, grid.tp);
    auto want = at::zeros({3 * p, 5});
    for (int q = 0; q < p; ++q) want += leaf(q, {3 * p, 5}).detach();
    EXPECT_TRUE(at::equal(part, want.narrow(0, 3 * r, 3)));
    (part * (r + 1)).sum().backward();
    EXPECT_TRUE(
        at::equal(z.grad(), (at::arange(3 * p).div(3, "floor") + 1).to(at::kFloat).view({-1, 1}).expand({3 * p, 5})));
  });
}

TEST_P(CollectivesRanks, SplitTakesOurRowsAndGathersTheirGradients) {
  each_rank([](const Grid& grid) {
    const int p = grid.tp.size(), r = grid.tp.rank();
    const auto x = leaf(0, {2 * p, 3}, at::kBFloat16);
    const auto part = split_sequence(x, grid.tp);
    EXPECT_TRUE(at::equal(part, x.narrow(0, 2 * r, 2)));
    (part * (r + 1)).sum().backward();
    EXPECT_TRUE(at::equal(x.grad(),
                          (at::arange(2 * p).div(2, "floor") + 1).to(at::kBFloat16).view({-1, 1}).expand({2 * p, 3})));
  });
}

TEST_P(CollectivesRanks, ResidualBranchesKeepTheirGradient) {
  each_rank([](const Grid& grid) {
    const int p = grid.tp.size();
    const auto x = leaf(0, {4, 4});
    const auto residual = x * 1;
    (residual + copy_to(residual, grid.tp)).sum().backward();  // in place on the shared gradient would give 2 p
    EXPECT_TRUE(at::equal(x.grad(), at::full({4, 4}, 1.0f + p)));
  });
}

TEST_P(CollectivesRanks, RefuseASequenceThatDoesNotDivide) {
  each_rank([](const Grid& grid) {
    if (grid.tp.size() == 1) return;
    EXPECT_THROW(split_sequence(at::ones({grid.tp.size() + 1, 2}), grid.tp), Error);
  });
}

}  // namespace
}  // namespace bessemer::parallel
