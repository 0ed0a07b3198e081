// NCCL against closed forms and against the host's tree. Under mpirun only; tests/gpu/run.sh says how two ranks share a
// GPU.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "parallel/tree_sum.h"
#include "parallel/world.h"
#include "tests/support/thread_world.h"

namespace bessemer::parallel {
namespace {

constexpr int64_t kSizes[] = {0, 1, 3, 1000, 140001};

// What a rank brings: any rank can compute it, so that any rank can check the result. Small whole numbers: sums are
// exact.
at::Tensor contribution(int rank, int64_t n, at::ScalarType dtype) {
  return (at::arange(n) % 7 * (rank + 1)).to(dtype);
}

at::Tensor rounded_contribution(int rank, int64_t n, at::ScalarType dtype) {
  if (dtype == at::kLong) return contribution(rank, n, dtype);
  return at::arange(n, at::kFloat).mul_(0.37).add_(rank * 1.7).sin_().mul_(rank % 3 == 1 ? 1000 : 1).to(dtype);
}

at::Tensor tree_of_all(int ranks, int64_t n, at::ScalarType dtype) {
  std::vector<at::Tensor> parts;
  std::vector<const void*> pointers;
  for (int r = 0; r < ranks; ++r) parts.push_back(rounded_contribution(r, n, dtype));
  for (const auto& p : parts) pointers.push_back(p.const_data_ptr());
  auto sum = at::empty({n}, dtype);
  tree_reduce(pointers, sum.mutable_data_ptr(), n, dtype);
  return sum;
}

class NcclRanks : public testing::Test {
 protected:
  // A communicator takes seconds to make: one for all tests. It goes before MPI ends.
  static void SetUpTestSuite() {
    if (tests::job_ranks() < 2) return;
    plain_ = make(0);
    tree_ = make(tests::job_ranks());
  }
  static void TearDownTestSuite() {
    plain_.reset();
    tree_.reset();
  }
  void SetUp() override {
    if (!plain_) GTEST_SKIP() << "runs under mpirun with two ranks or more";
  }
  static const Grid& grid(bool tree_order = false) { return tree_order ? *tree_ : *plain_; }
  static int ranks() { return grid().dp.size(); }
  static int rank() { return grid().dp.rank(); }
  static at::Tensor on_gpu(const at::Tensor& x) { return x.to(grid().device); }

 private:
  static std::unique_ptr<Grid> make(int64_t virtual_dp) {
    ParallelOptions options;
    options.device = DeviceKind::kCuda, options.backend = BackendKind::kNccl;
    options.share_gpu = true, options.virtual_dp = virtual_dp;
    return std::make_unique<Grid>(tests::job_world()->make_grid(options));
  }
  static inline std::unique_ptr<Grid> plain_, tree_;
};

TEST_F(NcclRanks, AllReduceOfRanksIsTheirClosedForm) {
  EXPECT_STREQ(grid().dp.backend_name(), "nccl");
  for (const auto dtype : {at::kFloat, at::kBFloat16, at::kHalf, at::kLong}) {
    for (const int64_t n : kSizes) {
      auto x = on_gpu(contribution(rank(), n, dtype));
      grid().dp.all_reduce(x);
      const auto want = at::arange(n) % 7 * (ranks() * (ranks() + 1) / 2);
      EXPECT_TRUE(at::equal(x.cpu(), want.to(dtype))) << dtype << " " << n;
    }
  }
}

TEST_F(NcclRanks, ExtremesAreThoseOfTheFirstAndLastRank) {
  auto most = on_gpu(at::full({3}, rank(), at::kFloat)), least = most.clone();
  grid().dp.all_reduce(most, ReduceOp::kMax);
  grid().dp.all_reduce(least, ReduceOp::kMin);
  EXPECT_EQ(most[2].item<float>(), static_cast<float>(ranks() - 1));
  EXPECT_EQ(least[0].item<float>(), 0.0f);
}

TEST_F(NcclRanks, AllGatherAndBroadcastMoveBytesOfAnyType) {
  for (const auto dtype : {at::kFloat, at::kHalf, at::kLong, at::kByte}) {
    for (const int64_t n : kSizes) {
      const auto mine = on_gpu((at::arange(n) % 50 + rank()).to(dtype));
      auto whole = at::empty({ranks() * n}, mine.options()), data = mine.clone();
      grid().dp.all_gather(mine, whole);
      for (int r = 0; r < ranks(); ++r)
        EXPECT_TRUE(at::equal(whole.narrow(0, r * n, n).cpu(), (at::arange(n) % 50 + r).to(dtype)));
      grid().dp.broadcast(data, ranks() - 1);
      EXPECT_TRUE(at::equal(data.cpu(), (at::arange(n) % 50 + ranks() - 1).to(dtype)));
    }
  }
}

TEST_F(NcclRanks, InTreeOrderEverySumIsTheHostsTreeBitForBit) {
  const Group& dp = grid(true).dp;
  for (const auto dtype : {at::kFloat, at::kBFloat16, at::kHalf, at::kLong}) {
    for (const int64_t n : kSizes) {
      auto x = on_gpu(rounded_contribution(rank(), n, dtype));
      dp.all_reduce(x);
      EXPECT_TRUE(at::equal(x.cpu(), tree_of_all(ranks(), n, dtype))) << dtype << " " << n;
      const auto whole = on_gpu(rounded_contribution(rank(), n * ranks(), dtype));
      auto part = at::empty({n}, whole.options());
      dp.reduce_scatter(whole, part);
      EXPECT_TRUE(at::equal(part.cpu(), tree_of_all(ranks(), n * ranks(), dtype).narrow(0, rank() * n, n)))
          << dtype << " " << n;
    }
  }
}

TEST_F(NcclRanks, StartedReductionsEndRightBesideOtherWork) {
  for (const bool tree : {false, true}) {
    const Group& dp = grid(tree).dp;
    auto a = on_gpu(contribution(rank(), 300001, at::kFloat)), between = on_gpu(contribution(rank(), 100, at::kFloat));
    const auto whole = on_gpu(contribution(rank(), 1000 * ranks(), at::kFloat));
    auto part = at::empty({1000}, whole.options());
    const auto first = dp.start_all_reduce(a);
    const auto second = dp.start_reduce_scatter(whole, part);
    between.mul_(2);
    if (second) second->wait();
    if (first) first->wait();
    const int64_t factor = ranks() * (ranks() + 1) / 2;
    EXPECT_TRUE(at::equal(a.cpu(), (at::arange(300001) % 7 * factor).to(at::kFloat)));
    EXPECT_TRUE(
        at::equal(part.cpu(), (at::arange(1000 * ranks()) % 7 * factor).to(at::kFloat).narrow(0, 1000 * rank(), 1000)));
    EXPECT_TRUE(at::equal(between.cpu(), contribution(rank(), 100, at::kFloat) * 2));
  }
}

}  // namespace
}  // namespace bessemer::parallel
