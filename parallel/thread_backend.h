#pragma once
#include <memory>
#include <vector>

#include "parallel/group.h"

namespace bessemer::parallel {

/// Backends of one group whose ranks are threads of this process, in rank order; each is used by its own thread. For
/// tests and for trying layouts without mpirun. Collectives may meet inside autograd's backward: on the CPU it runs in
/// the calling thread. abort() of one releases the others with an Error.
std::vector<std::shared_ptr<Backend>> make_thread_backends(int ranks);

}  // namespace bessemer::parallel
