#include <gtest/gtest.h>

#include "tests/support/thread_world.h"

namespace bessemer::tests {

int job_ranks() { return 0; }
parallel::Grid job_grid(int) { return {}; }

}  // namespace bessemer::tests

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
