#pragma once
// For CUDA files: elements of any floating type as fp32, one or several at a time.
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <cstdint>

namespace bessemer::parallel {

__device__ __forceinline__ float widen(float x) { return x; }
__device__ __forceinline__ float widen(__nv_bfloat16 x) { return __bfloat162float(x); }
__device__ __forceinline__ float widen(__half x) { return __half2float(x); }
__device__ __forceinline__ long long widen(long long x) { return x; }
__device__ __forceinline__ void narrow(float x, float& out) { out = x; }
__device__ __forceinline__ void narrow(float x, __nv_bfloat16& out) { out = __float2bfloat16_rn(x); }
__device__ __forceinline__ void narrow(float x, __half& out) { out = __float2half_rn(x); }
__device__ __forceinline__ void narrow(long long x, long long& out) { out = x; }

/// N elements that move in one access where N * sizeof(T) is 4, 8 or 16.
template <class T, int N>
struct alignas(sizeof(T) * N) Chunk {
  T at[N];
};

inline bool aligned(const void* pointer, std::size_t bytes) {
  return reinterpret_cast<std::uintptr_t>(pointer) % bytes == 0;  // null is
}

template <int N, class T>
__device__ __forceinline__ void load(const T* from, float (&to)[N]) {
  const auto chunk = *reinterpret_cast<const Chunk<T, N>*>(from);
#pragma unroll
  for (int k = 0; k < N; ++k) to[k] = widen(chunk.at[k]);
}

template <int N, class T>
__device__ __forceinline__ void store(const float (&from)[N], T* to) {
  Chunk<T, N> chunk;
#pragma unroll
  for (int k = 0; k < N; ++k) narrow(from[k], chunk.at[k]);
  *reinterpret_cast<Chunk<T, N>*>(to) = chunk;
}

struct Sum {
  static constexpr float kNone = 0.0f;
  __device__ float operator()(float a, float b) const { return a + b; }
};
struct Maximum {
  static constexpr float kNone = -__builtin_huge_valf();
  __device__ float operator()(float a, float b) const { return fmaxf(a, b); }
};

/// One value of all kThreads of a block, in an order that does not depend on timing; every thread gets it. `shared`
/// holds kThreads / 32 floats and is free again at return.
template <int kThreads, class Op>
__device__ float over_block(float x, Op op, float* shared) {
#pragma unroll
  for (int half = 16; half > 0; half /= 2) x = op(x, __shfl_xor_sync(0xffffffffu, x, half));
  if (threadIdx.x % 32 == 0) shared[threadIdx.x / 32] = x;
  __syncthreads();
  float all = Op::kNone;
#pragma unroll
  for (int warp = 0; warp < kThreads / 32; ++warp) all = op(all, shared[warp]);
  __syncthreads();
  return all;
}

}  // namespace bessemer::parallel
