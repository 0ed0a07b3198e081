#include <type_traits>

#include "parallel/elements_cuda.h"
#include "trainer/flat_kernels.h"

namespace bessemer::trainer {
namespace {

using parallel::aligned, parallel::load, parallel::store;

constexpr int kThreads = 256;

unsigned blocks_for(int64_t threads) { return static_cast<unsigned>((threads + kThreads - 1) / kThreads); }

// N elements a thread, in one access each; the arrays do not overlap.
template <class Low, int N>
__global__ void adam_kernel(AdamStep s, int64_t n, float* __restrict__ weight, float* __restrict__ gradient,
                            float* __restrict__ momentum, float* __restrict__ variance, Low* __restrict__ low) {
  const float keep = 1.0f - s.lr * s.weight_decay, step = s.lr / s.bias1;
  const int64_t i = (blockIdx.x * int64_t{kThreads} + threadIdx.x) * N;
  if (i + N > n) return;
  float w[N], g[N], m[N], v[N];
  load<N>(gradient + i, g);
  load<N>(momentum + i, m);
  load<N>(variance + i, v);
  load<N>(weight + i, w);
#pragma unroll
  for (int k = 0; k < N; ++k) {
    const float unscaled = g[k] * s.gradient_factor;
    g[k] = 0.0f;
    m[k] = s.beta1 * m[k] + (1.0f - s.beta1) * unscaled;
    v[k] = s.beta2 * v[k] + (1.0f - s.beta2) * unscaled * unscaled;
    w[k] = keep * w[k] - step * m[k] / (sqrtf(v[k]) / s.bias2_sqrt + s.eps);
  }
  store<N>(g, gradient + i);
  store<N>(m, momentum + i);
  store<N>(v, variance + i);
  store<N>(w, weight + i);
  if (low != nullptr) store<N>(w, low + i);
}

template <int N>
__global__ void direction_kernel(AdamStep s, int64_t n, const float* __restrict__ weight, float* __restrict__ gradient,
                                 float* __restrict__ momentum, float* __restrict__ variance) {
  const int64_t i = (blockIdx.x * int64_t{kThreads} + threadIdx.x) * N;
  if (i + N > n) return;
  float w[N], g[N], m[N], v[N];
  load<N>(gradient + i, g);
  load<N>(momentum + i, m);
  load<N>(variance + i, v);
  load<N>(weight + i, w);
#pragma unroll
  for (int k = 0; k < N; ++k) {
    const float unscaled = g[k] * s.gradient_factor;
    m[k] = s.beta1 * m[k] + (1.0f - s.beta1) * unscaled;
    v[k] = s.beta2 * v[k] + (1.0f - s.beta2) * unscaled * unscaled;
    g[k] = m[k] / s.bias1 / (sqrtf(v[k]) / s.bias2_sqrt + s.eps) + s.weight_decay * w[k];
  }
  store<N>(g, gradient + i);
  store<N>(m, momentum + i);
  store<N>(v, variance + i);
}

template <class Low, int N>
__global__ void apply_kernel(float length, int64_t n, float* __restrict__ weight, float* __restrict__ direction,
                             Low* __restrict__ low) {
  const int64_t i = (blockIdx.x * int64_t{kThreads} + threadIdx.x) * N;
  if (i + N > n) return;
  const float none[N] = {};
  float w[N], d[N];
  load<N>(weight + i, w);
  load<N>(direction + i, d);
#pragma unroll
  for (int k = 0; k < N; ++k) w[k] -= length * d[k];
  store<N>(w, weight + i);
  store<N>(none, direction + i);
  if (low != nullptr) store<N>(w, low + i);
}

template <class Low, int N>
__global__ void add_kernel(float* __restrict__ into, Low* __restrict__ low, int64_t n) {
  const int64_t i = (blockIdx.x * int64_t{kThreads} + threadIdx.x) * N;
  if (i + N > n) return;
  const float none[N] = {};
  float sum[N], more[N];
  load<N>(into + i, sum);
  load<N>(low + i, more);
#pragma unroll
  for (int k = 0; k < N; ++k) sum[k] += more[k];
  store<N>(sum, into + i);
  store<N>(none, low + i);
}

// launch(from, n, N as a type): by fours what is aligned, one by one what is left.
template <class F>
void by_fours(int64_t n, bool all_aligned, F launch) {
  const int64_t whole = all_aligned ? n / 4 * 4 : 0;
  if (whole > 0) launch(int64_t{0}, whole, std::integral_constant<int, 4>{});
  if (n > whole) launch(whole, n - whole, std::integral_constant<int, 1>{});
}

template <class F>
void with_low(LowKind kind, F f) {
  if (kind == LowKind::kFp16) return f(__half{});
  f(__nv_bfloat16{});
}

// A thread block per block of elements; the tree in shared memory has one order, so the bits do not depend on timing.
__global__ void squares_kernel(const float* x, int64_t n, int64_t block, double* sums) {
  __shared__ double shared[kThreads];
  const int64_t begin = blockIdx.x * block, end = begin + block < n ? begin + block : n;
  double sum = 0;
  for (int64_t i = begin + threadIdx.x; i < end; i += kThreads) sum += static_cast<double>(x[i]) * x[i];
  shared[threadIdx.x] = sum;
  for (int half = kThreads / 2; half > 0; half /= 2) {
    __syncthreads();
    if (threadIdx.x < half) shared[threadIdx.x] += shared[threadIdx.x + half];
  }
  if (threadIdx.x == 0) sums[blockIdx.x] = shared[0];
}

bool all_aligned(const AdamBuffers& buffers) {
  bool fours = aligned(buffers.low, 8);
  for (const float* p : {buffers.weight, buffers.gradient, buffers.momentum, buffers.variance})
    fours = fours && aligned(p, 16);
  return fours;
}

}  // namespace

void adam_update_cuda(const AdamStep& step, const AdamBuffers& buffers, int64_t n) {
  const bool fours = all_aligned(buffers);
  with_low(buffers.kind, [&](auto zero) {
    using Low = decltype(zero);
    by_fours(n, fours, [&](int64_t from, int64_t count, auto each) {
      constexpr int N = decltype(each)::value;
      const auto b = buffers.from(from);
      adam_kernel<Low, N><<<blocks_for(count / N), kThreads>>>(step, count, b.weight, b.gradient, b.momentum,
                                                               b.variance, reinterpret_cast<Low*>(b.low));
    });
  });
}

void lamb_direction_cuda(const AdamStep& step, const AdamBuffers& buffers, int64_t n) {
  by_fours(n, all_aligned(buffers), [&](int64_t from, int64_t count, auto each) {
    constexpr int N = decltype(each)::value;
    const auto b = buffers.from(from);
    direction_kernel<N><<<blocks_for(count / N), kThreads>>>(step, count, b.weight, b.gradient, b.momentum, b.variance);
  });
}

void lamb_apply_cuda(float length, const AdamBuffers& buffers, int64_t n) {
  const bool fours = all_aligned(buffers);
  with_low(buffers.kind, [&](auto zero) {
    using Low = decltype(zero);
    by_fours(n, fours, [&](int64_t from, int64_t count, auto each) {
      constexpr int N = decltype(each)::value;
      const auto b = buffers.from(from);
      apply_kernel<Low, N>
          <<<blocks_for(count / N), kThreads>>>(length, count, b.weight, b.gradient, reinterpret_cast<Low*>(b.low));
    });
  });
}

void add_and_clear_cuda(float* into, uint16_t* low, LowKind kind, int64_t n) {
  with_low(kind, [&](auto zero) {
    using Low = decltype(zero);
    by_fours(n, aligned(into, 16) && aligned(low, 8), [&](int64_t from, int64_t count, auto each) {
      constexpr int N = decltype(each)::value;
      add_kernel<Low, N><<<blocks_for(count / N), kThreads>>>(into + from, reinterpret_cast<Low*>(low + from), count);
    });
  });
}

void block_squares_cuda(const float* x, int64_t n, int64_t block, double* sums) {
  if (n > 0) squares_kernel<<<static_cast<unsigned>((n + block - 1) / block), kThreads>>>(x, n, block, sums);
}

}  // namespace bessemer::trainer
