#include "tests/support/paths.h"

namespace bessemer::tests {

// Made before the constants of other files, which are built from these.
[[gnu::init_priority(101)]] const std::string kSourceDir = BESSEMER_SOURCE_DIR;
[[gnu::init_priority(101)]] const std::string kBinary = BESSEMER_BINARY;
[[gnu::init_priority(101)]] const std::string kLibTorch = BESSEMER_LIBTORCH;
[[gnu::init_priority(101)]] const std::string kMpiexec = BESSEMER_MPIEXEC;

}  // namespace bessemer::tests
