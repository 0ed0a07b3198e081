#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "trainer/flat_kernels.h"

namespace bessemer::trainer {
namespace {

constexpr int kThreads = 256;

unsigned blocks_for(int64_t n) {
  const int64_t blocks = (n + kThreads - 1) / kThreads;
  return static_cast<unsigned>(blocks < 132 * 16 ? blocks : 132 * 16);  // a grid stride covers the rest
}

__global__ void adam_kernel(AdamStep s, AdamBuffers b, int64_t n) {
  const float keep = 1.0f - s.lr * s.weight_decay, step = s.lr / s.bias1;
  for (int64_t i = blockIdx.x * int64_t{kThreads} + threadIdx.x; i < n; i += int64_t{gridDim.x} * kThreads) {
    const float gradient = b.gradient[i] * s.gradient_factor;
    b.gradient[i] = 0.0f;
    const float m = b.momentum[i] = s.beta1 * b.momentum[i] + (1.0f - s.beta1) * gradient;
    const float v = b.variance[i] = s.beta2 * b.variance[i] + (1.0f - s.beta2) * gradient * gradient;
    const float w = b.weight[i] = keep * b.weight[i] - step * m / (sqrtf(v) / s.bias2_sqrt + s.eps);
    if (b.kind == LowKind::kBf16) reinterpret_cast<__nv_bfloat16*>(b.low)[i] = __float2bfloat16_rn(w);
    if (b.kind == LowKind::kFp16) reinterpret_cast<__half*>(b.low)[i] = __float2half_rn(w);
  }
}

__global__ void add_kernel(float* into, uint16_t* low, LowKind kind, int64_t n) {
  for (int64_t i = blockIdx.x * int64_t{kThreads} + threadIdx.x; i < n; i += int64_t{gridDim.x} * kThreads) {
    into[i] += kind == LowKind::kBf16 ? __bfloat162float(reinterpret_cast<__nv_bfloat16*>(low)[i])
                                      : __half2float(reinterpret_cast<__half*>(low)[i]);
    low[i] = 0;
  }
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

}  // namespace

void adam_update_cuda(const AdamStep& step, const AdamBuffers& buffers, int64_t n) {
  if (n > 0) adam_kernel<<<blocks_for(n), kThreads>>>(step, buffers, n);
}

void add_and_clear_cuda(float* into, uint16_t* low, LowKind kind, int64_t n) {
  if (n > 0) add_kernel<<<blocks_for(n), kThreads>>>(into, low, kind, n);
}

void block_squares_cuda(const float* x, int64_t n, int64_t block, double* sums) {
  if (n > 0) squares_kernel<<<static_cast<unsigned>((n + block - 1) / block), kThreads>>>(x, n, block, sums);
}

}  // namespace bessemer::trainer
