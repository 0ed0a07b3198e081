#include "launch/machine.h"

#include <ATen/Config.h>
#include <ATen/Version.h>
#include <sched.h>

#include <csignal>
#include <cstdlib>

namespace bessemer::launch {

int usable_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

std::string instruction_set() {
  std::string out = at::get_cpu_capability();
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512bf16")) out += ", avx512_bf16";
#endif
  return out;
}

std::string blas() {
  if (AT_MKL_ENABLED()) {
    const std::string text = at::get_mkl_version();  // "Intel(R) oneAPI Math Kernel Library Version 2024.2-Product ..."
    const auto begin = text.find_first_of("0123456789");
    if (begin == std::string::npos) return "oneMKL";
    return "oneMKL " + text.substr(begin, text.find_first_of("- \n", begin) - begin);
  }
  return "not MKL";
}

std::string build_type() { return BESSEMER_BUILD_TYPE; }

void prepare_environment() {
  std::signal(SIGXFSZ, SIG_IGN);  // a file size limit is then an error of a write, and not the end
  // Ranks that wait must let the others run: with more ranks than cores a spinning MPI is a thousand times slower, and
  // mpirun does not notice that by itself under a hostfile.
  setenv("OMPI_MCA_mpi_yield_when_idle", "1", 0);
}

}  // namespace bessemer::launch
