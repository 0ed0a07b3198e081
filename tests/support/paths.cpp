#include "tests/support/paths.h"

namespace bessemer::tests {

const std::string kSourceDir = BESSEMER_SOURCE_DIR;
const std::string kBinary = BESSEMER_BINARY;
const std::string kLibTorch = BESSEMER_LIBTORCH;
const std::string kMpiexec = BESSEMER_MPIEXEC;

}  // namespace bessemer::tests
