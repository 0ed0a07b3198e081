#pragma once
#include <string>

namespace bessemer::tests {

// Where this build's things lie. Known to one source file, so that the others compile alike in every checkout.
extern const std::string kSourceDir;
extern const std::string kBinary;    ///< bessemer; "" in a build without LibTorch
extern const std::string kLibTorch;  ///< the folder that holds include/ and lib/
extern const std::string kMpiexec;

}  // namespace bessemer::tests
