#include <algorithm>

#include "models/ops/launch_cuda.h"

namespace bessemer::models::ops {
namespace {

using namespace parallel;

constexpr int kThreads = 128;

template <class T>
struct Forward {
  bool centered;
  float eps;
  int64_t rows;
  int width;
  const T *residual, *x, *weight, *bias;
  T *sum, *y;
  float* stats;
};

// A block per row. The sum with the residual is rounded to T first: it is what later layers see.
template <class T, int N>
__global__ void __launch_bounds__(kThreads) norm_forward(Forward<T> io) {
  __shared__ float shared[kThreads / 32];
  const int64_t row = blockIdx.x, at = row * io.width;
  const T* x = io.x + at;
  float value[N], total = 0.0f;
  for (int j = threadIdx.x * N; j < io.width; j += kThreads * N) {
    load<N>(x + j, value);
    if (io.residual != nullptr) {
      float more[N];
      load<N>(io.residual + at + j, more);
      for (int k = 0; k < N; ++k) value[k] += more[k];
      store<N>(value, io.sum + at + j);
      load<N>(io.sum + at + j, value);
    }
    for (int k = 0; k < N; ++k) total += io.centered ? value[k] : value[k] * value[k];
  }
  if (io.residual != nullptr) x = io.sum + at;  // each thread reads back what it wrote
  total = over_block<kThreads>(total, Sum{}, shared);
  float mean = 0.0f;
  if (io.centered) {
    mean = total / io.width;
    total = 0.0f;
    for (int j = threadIdx.x * N; j < io.width; j += kThreads * N) {
      load<N>(x + j, value);
      for (int k = 0; k < N; ++k) total += (value[k] - mean) * (value[k] - mean);
    }
    total = over_block<kThreads>(total, Sum{}, shared);
  }
  const float factor = 1.0f / sqrtf(total / io.width + io.eps);
  for (int j = threadIdx.x * N; j < io.width; j += kThreads * N) {
    float weight[N], bias[N] = {};
    load<N>(x + j, value);
    load<N>(io.weight + j, weight);
    if (io.bias != nullptr) load<N>(io.bias + j, bias);
    for (int k = 0; k < N; ++k) value[k] = (value[k] - mean) * factor * weight[k] + bias[k];
    store<N>(value, io.y + at + j);
  }
  if (threadIdx.x == 0) io.stats[row] = mean, io.stats[io.rows + row] = factor;
}

template <class T>
struct Backward {
  bool centered;
  int64_t rows;
  int width;
  const T *x, *weight;
  const float* stats;
  const T *dy, *dsum;
  T* dx;
  float* parts;
  bool in_shared;
};

// A block takes every gridDim-th row and keeps its parts of dweight and dbias; each column belongs to one thread.
template <class T, int N>
__global__ void __launch_bounds__(kThreads) norm_backward(Backward<T> io) {
  extern __shared__ float columns[];
  __shared__ float shared[kThreads / 32];
  float* const own_weight = io.parts + blockIdx.x * static_cast<int64_t>(io.width);
  float* const own_bias = own_weight + gridDim.x * static_cast<int64_t>(io.width);
  float* const dweight = io.in_shared ? columns : own_weight;
  float* const dbias = io.in_shared ? columns + io.width : own_bias;
  for (int j = threadIdx.x * N; j < io.width; j += kThreads * N) {
    for (int k = 0; k < N; ++k) dweight[j + k] = dbias[j + k] = 0.0f;
  }
  for (int64_t row = blockIdx.x; row < io.rows; row += gridDim.x) {
    const int64_t at = row * io.width;
    const float mean = io.stats[row], factor = io.stats[io.rows + row];
    float x[N], dy[N], weight[N], plain = 0.0f, along = 0.0f;
    for (int j = threadIdx.x * N; j < io.width; j += kThreads * N) {
      load<N>(io.x + at + j, x);
      load<N>(io.dy + at + j, dy);
      load<N>(io.weight + j, weight);
      for (int k = 0; k < N; ++k) {
        const float normed = (x[k] - mean) * factor;
        dweight[j + k] += dy[k] * normed;
        dbias[j + k] += dy[k];
        plain += dy[k] * weight[k];
        along += dy[k] * weight[k] * normed;
      }
    }
    plain = io.centered ? over_block<kThreads>(plain, Sum{}, shared) / io.width : 0.0f;
    along = over_block<kThreads>(along, Sum{}, shared) / io.width;
    for (int j = threadIdx.x * N; j < io.width; j += kThreads * N) {
      float dx[N], more[N] = {};
      load<N>(io.x + at + j, x);
      load<N>(io.dy + at + j, dy);
      load<N>(io.weight + j, weight);
      if (io.dsum != nullptr) load<N>(io.dsum + at + j, more);
      for (int k = 0; k < N; ++k)
        dx[k] = factor * (dy[k] * weight[k] - plain - (x[k] - mean) * factor * along) + more[k];
      store<N>(dx, io.dx + at + j);
    }
  }
  if (!io.in_shared) return;
  for (int j = threadIdx.x * N; j < io.width; j += kThreads * N) {
    for (int k = 0; k < N; ++k) own_weight[j + k] = dweight[j + k], own_bias[j + k] = dbias[j + k];
  }
}

}  // namespace

void norm_forward_cuda(const CudaNorm& io, void* stream) {
  if (io.rows == 0) return;
  with_type(io.type, [&](auto zero) {
    using T = decltype(zero);
    const auto in = [](const void* p) { return static_cast<const T*>(p); };
    const auto out = [](void* p) { return static_cast<T*>(p); };
    const Forward<T> all{io.centered,     io.eps,    io.rows,       static_cast<int>(io.width),
                         in(io.residual), in(io.x),  in(io.weight), in(io.bias),
                         out(io.sum),     out(io.y), io.stats};
    constexpr int N = 4;
    bool whole = io.width % N == 0;
    for (const void* p :
         {io.residual, io.x, io.weight, io.bias, static_cast<const void*>(io.sum), static_cast<const void*>(io.y)})
      whole = whole && aligned(p, N * sizeof(T));
    const auto kernel = whole ? norm_forward<T, N> : norm_forward<T, 1>;
    kernel<<<static_cast<unsigned>(io.rows), kThreads, 0, static_cast<cudaStream_t>(stream)>>>(all);
  });
  check_launch("norm");
}

int64_t norm_gradient_blocks(int64_t rows) { return std::max<int64_t>(1, std::min<int64_t>(rows, 1024)); }

void norm_backward_cuda(const CudaNormGradient& io, void* stream) {
  with_type(io.type, [&](auto zero) {
    using T = decltype(zero);
    const auto in = [](const void* p) { return static_cast<const T*>(p); };
    const std::size_t bytes = 2 * sizeof(float) * static_cast<std::size_t>(io.width);
    const bool in_shared = bytes <= 32 * 1024;
    const Backward<T> all{io.centered, io.rows,     static_cast<int>(io.width), in(io.x), in(io.weight), io.stats,
                          in(io.dy),   in(io.dsum), static_cast<T*>(io.dx),     io.parts, in_shared};
    constexpr int N = 4;
    bool whole = io.width % N == 0;
    for (const void* p : {io.x, io.weight, io.dy, io.dsum, static_cast<const void*>(io.dx)})
      whole = whole && aligned(p, N * sizeof(T));
    const auto kernel = whole ? norm_backward<T, N> : norm_backward<T, 1>;
    kernel<<<static_cast<unsigned>(io.blocks), kThreads, in_shared ? bytes : 0, static_cast<cudaStream_t>(stream)>>>(
        all);
  });
  check_launch("gradient of a norm");
}

}  // namespace bessemer::models::ops
