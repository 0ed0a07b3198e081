#include "models/ops/launch_cuda.h"

namespace bessemer::models::ops {
namespace {

using namespace parallel;

constexpr int kThreads = 512;

// f(column, value) for the real columns of a row, by all threads of a block.
template <class T, int N, class F>
__device__ void over_row(const T* row, int valid, F f) {
  const int whole = valid / N * N;
  for (int j = threadIdx.x * N; j < whole; j += kThreads * N) {
    float value[N];
    load<N>(row + j, value);
    for (int k = 0; k < N; ++k) f(j + k, value[k]);
  }
  for (int j = whole + threadIdx.x; j < valid; j += kThreads) f(j, widen(row[j]));
}

template <class T>
struct Rows {
  T* logits;
  int64_t columns;
  int valid;
  const int64_t* targets;
  int64_t begin;
};

template <class T, int N>
__global__ void __launch_bounds__(kThreads) row_maximum(Rows<T> io, float* top) {
  __shared__ float shared[kThreads / 32];
  float most = Maximum::kNone;
  over_row<T, N>(io.logits + blockIdx.x * io.columns, io.valid, [&](int, float x) { most = fmaxf(most, x); });
  most = over_block<kThreads>(most, Maximum{}, shared);
  if (threadIdx.x == 0) top[blockIdx.x] = most;
}

template <class T, int N>
__global__ void __launch_bounds__(kThreads) row_sums(Rows<T> io, const float* top, float* sums) {
  __shared__ float shared[kThreads / 32];
  const int64_t row = blockIdx.x;
  const T* logits = io.logits + row * io.columns;
  const float most = top[row];
  float sum = 0.0f;
  over_row<T, N>(logits, io.valid, [&](int, float x) { sum += expf(x - most); });
  sum = over_block<kThreads>(sum, Sum{}, shared);
  if (threadIdx.x != 0) return;
  const int64_t target = io.targets[row] - io.begin;
  sums[row] = sum;
  sums[gridDim.x + row] = target >= 0 && target < io.valid ? widen(logits[target]) : 0.0f;
}

template <class T, int N>
__global__ void __launch_bounds__(kThreads) to_gradient(Rows<T> io, const float* lse, const float* scale) {
  const int64_t row = blockIdx.x;
  T* logits = io.logits + row * io.columns;
  const float by = scale[row], all = lse[row];
  const int64_t target = io.targets[row] - io.begin;
  const auto gradient = [&](int64_t j, float x) {
    if (by == 0.0f || j >= io.valid) return 0.0f;
    return by * (expf(x - all) - (j == target ? 1.0f : 0.0f));
  };
  const int64_t whole = io.columns / N * N;
  for (int64_t j = threadIdx.x * N; j < whole; j += kThreads * N) {
    float value[N];
    load<N>(logits + j, value);
    for (int k = 0; k < N; ++k) value[k] = gradient(j + k, value[k]);
    store<N>(value, logits + j);
  }
  for (int64_t j = whole + threadIdx.x; j < io.columns; j += kThreads) narrow(gradient(j, widen(logits[j])), logits[j]);
}

// launch(Rows<T>, N as a type) where there are rows.
template <class F>
void with_rows(const CudaLogits& io, F launch) {
  if (io.rows == 0) return;
  with_type(io.type, [&](auto zero) {
    using T = decltype(zero);
    constexpr int N = 16 / sizeof(T);
    const Rows<T> rows{static_cast<T*>(io.logits), io.columns, static_cast<int>(io.valid), io.targets, io.begin};
    if (io.columns % N == 0 && aligned(io.logits, 16)) return launch(rows, std::integral_constant<int, N>{});
    launch(rows, std::integral_constant<int, 1>{});
  });
}

template <class T>
using element = std::remove_pointer_t<decltype(T::logits)>;

}  // namespace

void row_maximum_cuda(const CudaLogits& io, float* top, void* stream) {
  with_rows(io, [&](auto rows, auto n) {
    row_maximum<element<decltype(rows)>, decltype(n)::value>
        <<<static_cast<unsigned>(io.rows), kThreads, 0, static_cast<cudaStream_t>(stream)>>>(rows, top);
  });
  check_launch("largest logits");
}

void row_sums_cuda(const CudaLogits& io, const float* top, float* sums, void* stream) {
  with_rows(io, [&](auto rows, auto n) {
    row_sums<element<decltype(rows)>, decltype(n)::value>
        <<<static_cast<unsigned>(io.rows), kThreads, 0, static_cast<cudaStream_t>(stream)>>>(rows, top, sums);
  });
  check_launch("sums of logits");
}

void logits_to_gradient_cuda(const CudaLogits& io, const float* lse, const float* scale, void* stream) {
  with_rows(io, [&](auto rows, auto n) {
    to_gradient<element<decltype(rows)>, decltype(n)::value>
        <<<static_cast<unsigned>(io.rows), kThreads, 0, static_cast<cudaStream_t>(stream)>>>(rows, lse, scale);
  });
  check_launch("gradient of logits");
}

}  // namespace bessemer::models::ops
