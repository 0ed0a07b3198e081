#include "trainer/peak_flops.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <chrono>

#include "parallel/error.h"
#include "trainer/flat_state.h"

namespace bessemer::trainer {

PeakFlops peak_flops(Precision precision, at::Device device) {
  if (device.is_cuda()) {
    // NVIDIA H100/H200 SXM data sheet, dense: fp16/bf16 tensor cores; fp32 on the CUDA cores (TF32 is off).
    return {precision == Precision::kFp32 ? 67e12 : 989e12, "data sheet of an H100/H200 SXM, dense"};
  }
  constexpr int64_t n = 1024;
  const auto a = at::full({n, n}, 0.5, at::kFloat).to(dtype_of(precision)), b = a.clone();
  const int rounds = precision == Precision::kFp16 ? 1 : 4;  // fp16 is slow on CPUs; the first also warms up
  double best = 1e9;
  for (int i = 0; i < rounds; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    at::mm(a, b);
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  return {2.0 * n * n * n / best, concat("best of ", rounds, " measured 1024^3 matrix products on ",
                                         at::get_num_threads(), at::get_num_threads() == 1 ? " thread" : " threads")};
}

}  // namespace bessemer::trainer
