#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>

#include "parallel/world.h"
#include "tests/support/thread_world.h"

namespace bessemer::tests {
namespace {
parallel::World* world = nullptr;  // set in main where mpirun started us

// Rank 0 prints as usual, the others only what fails.
struct FailurePrinter : testing::EmptyTestEventListener {
  void OnTestPartResult(const testing::TestPartResult& result) override {
    if (result.failed())
      std::fprintf(stderr, "rank %d: %s:%d: %s\n", world->rank(), result.file_name(), result.line_number(),
                   result.summary());
  }
};
}  // namespace

void quiet_but_on_rank_0() {
  auto& listeners = testing::UnitTest::GetInstance()->listeners();
  if (world->rank() == 0) return;
  delete listeners.Release(listeners.default_result_printer());
  listeners.Append(new FailurePrinter);
}

parallel::World* job_world() { return world; }
int job_ranks() { return world != nullptr ? world->size() : 0; }

parallel::Grid job_grid(int tp) {
  parallel::ParallelOptions options;
  options.tp = tp;
  options.device = parallel::DeviceKind::kCpu;
  return world->make_grid(options);
}

}  // namespace bessemer::tests

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (std::getenv("OMPI_COMM_WORLD_SIZE") == nullptr) return RUN_ALL_TESTS();
  bessemer::parallel::World world(&argc, &argv);
  bessemer::tests::world = &world;
  at::set_num_threads(1);
  bessemer::tests::quiet_but_on_rank_0();
  return RUN_ALL_TESTS();
}
