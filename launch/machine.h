#pragma once
#include <string>

namespace bessemer::launch {

/// What makes a Xeon and a laptop differ: printed at start, for a run's speed and bits depend on it.
int usable_cores();  ///< of this process (sched_getaffinity), which may be fewer than the machine has
std::string
instruction_set();   ///< "AVX512, avx512_bf16, amx_bf16": what LibTorch dispatches to, and what it could use for bf16
std::string blas();  ///< of LibTorch, with its version
std::string build_type();  ///< "Release"; anything else says that it is slow
/// Environment that must be set before MPI starts; what the user has set stays.
void prepare_environment();

}  // namespace bessemer::launch
