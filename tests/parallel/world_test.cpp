#include "parallel/world.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>

#include "parallel/error.h"
#include "parallel/nccl_backend.h"
#include "tests/support/thread_world.h"

namespace bessemer::parallel {
namespace {

// Under mpirun only: ranks that are threads have no World.
class WorldRanks : public testing::Test {
 protected:
  void SetUp() override {
    if (tests::job_ranks() == 0) GTEST_SKIP() << "runs under mpirun";
  }
};

ExitCode code_of(const ParallelOptions& options) {
  try {
    tests::job_world()->make_grid(options);
  } catch (const Error& e) {
    EXPECT_GT(std::string(e.what()).size(), 30u) << e.what();
    return e.code();
  }
  return ExitCode::kDone;
}

TEST_F(WorldRanks, EveryBackendGivesTheSameBits) {
  const auto& world = *tests::job_world();
  if (world.alone()) return;
  for (const auto dtype : {at::kFloat, at::kBFloat16, at::kHalf, at::kLong}) {
    for (const int64_t n : {1, 1000, 600001}) {
      std::vector<at::Tensor> sums, rows;
      for (const auto kind : {BackendKind::kMpi, BackendKind::kShm, BackendKind::kAuto}) {
        if (kind == BackendKind::kShm && world.local_size() != world.size()) continue;
        ParallelOptions options;
        options.backend = kind;
        options.device = DeviceKind::kCpu;
        const auto grid = world.make_grid(options);
        const auto x =
            (at::arange(n * world.size()).to(at::kFloat).mul_(0.37).add_(world.rank()).sin_() * 100).to(dtype);
        sums.push_back(x.clone());
        const auto work = grid.dp.start_all_reduce(sums.back());
        rows.push_back(at::empty({n}, dtype));
        grid.dp.reduce_scatter(x, rows.back());
        if (work) work->wait();
        EXPECT_TRUE(at::equal(sums[0], sums.back())) << grid.dp.backend_name() << " " << dtype << " " << n;
        EXPECT_TRUE(at::equal(rows[0], rows.back())) << grid.dp.backend_name() << " " << dtype << " " << n;
        EXPECT_TRUE(at::equal(rows[0], sums[0].narrow(0, n * world.rank(), n)));
      }
    }
  }
}

TEST_F(WorldRanks, RefuseInWordsWhatCannotBe) {
  const auto& world = *tests::job_world();
  ParallelOptions options;
  options.dp = world.size() + 1;
  EXPECT_EQ(code_of(options), ExitCode::kUsage);
  options = {};
  options.tp = 3;
  EXPECT_EQ(code_of(options), ExitCode::kUsage);
  options = {};
  options.backend = BackendKind::kNccl;
  options.device = DeviceKind::kCpu;
  EXPECT_EQ(code_of(options), ExitCode::kUsage);
  options.backend = BackendKind::kMpi;
  options.device = DeviceKind::kCuda;
  EXPECT_EQ(code_of(options), ExitCode::kUsage);
}

TEST_F(WorldRanks, DescribeEveryRank) {
  const auto& world = *tests::job_world();
  ParallelOptions options;
  options.device = DeviceKind::kCpu;
  const auto text = world.describe(world.make_grid(options));
  for (int r = 0; r < world.size(); ++r)
    EXPECT_NE(text.find("rank " + std::to_string(r) + " "), std::string::npos) << text;
  EXPECT_NE(text.find(world.host()), std::string::npos);
  EXPECT_LT(world.local_rank(), world.local_size());
}

// Not a test: the table of parallel/README.md. mpirun -n 2 engine_tests --gtest_also_run_disabled_tests
// --gtest_filter=*SpeedOf*
TEST_F(WorldRanks, DISABLED_SpeedOfAllReduce) {
  const auto& world = *tests::job_world();
  for (int64_t bytes = 64; bytes <= (64 << 20); bytes *= 4) {
    for (const auto kind : {BackendKind::kMpi, BackendKind::kShm, BackendKind::kAuto}) {
      ParallelOptions options;
      options.backend = kind;
      options.device = DeviceKind::kCpu;
      const auto grid = world.make_grid(options);
      auto x = at::ones({bytes / 4});
      double best = 1e9;
      for (int i = 0; i < (bytes < (1 << 20) ? 400 : 20); ++i) {
        world.group().barrier();
        const auto begin = std::chrono::steady_clock::now();
        grid.dp.all_reduce(x);
        best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
      }
      if (world.rank() == 0)
        std::printf("%10lld bytes  %-8s %10.1f us %6.2f GB/s\n", static_cast<long long>(bytes), grid.dp.backend_name(),
                    best * 1e6, static_cast<double>(bytes) / best * 1e-9);
    }
  }
}

}  // namespace
}  // namespace bessemer::parallel
