#include "trainer/peak_flops.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <mutex>

#include "parallel/error.h"
#include "trainer/flat_state.h"

namespace bessemer::trainer {
namespace {

double seconds_of_product(int64_t n, Precision precision) {
  const auto a = at::full({n, n}, 0.5, at::kFloat).to(dtype_of(precision)), b = a.clone();
  const auto begin = std::chrono::steady_clock::now();
  at::mm(a, b);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace

PeakFlops peak_flops(Precision precision, at::Device device) {
  if (device.is_cuda()) {
    // NVIDIA H100/H200 SXM data sheet, dense: fp16/bf16 tensor cores; fp32 on the CUDA cores (TF32 is off).
    return {precision == Precision::kFp32 ? 67e12 : 989e12, "data sheet of an H100/H200 SXM, dense"};
  }
  // Once a process for each precision and number of threads.
  static std::mutex mutex;
  static std::map<std::pair<Precision, int>, PeakFlops> measured;
  const std::lock_guard lock(mutex);
  auto& peak = measured[{precision, at::get_num_threads()}];
  if (peak.per_second > 0) return peak;
  // fp16, and bf16 without instructions for it, are slow on CPUs: 512^3 would take a second.
  double first = 1e9;  // of several: the very first one makes threads and buffers
  for (int i = 0; i < 10 && (i < 3 || first > 0.02); ++i) first = std::min(first, seconds_of_product(256, precision));
  const bool slow = first > 0.02;
  const int64_t n = slow ? 256 : 512;
  const int rounds = slow ? 2 : 4;
  double best = 1e9;
  for (int i = 0; i < rounds; ++i) best = std::min(best, seconds_of_product(n, precision));
  const int64_t cube = n * n * n;
  peak = {2.0 * static_cast<double>(cube) / best,
          concat("best of ", rounds, " measured ", n, "^3 matrix products on ", at::get_num_threads(),
                 at::get_num_threads() == 1 ? " thread" : " threads")};
  return peak;
}

}  // namespace bessemer::trainer
