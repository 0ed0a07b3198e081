#include "parallel/elements_cuda.h"
#include "parallel/tree_sum_cuda.h"

namespace bessemer::parallel {
namespace {

// The tree that splits at the largest power of two below the count is a binary counter: equal halves merge as soon as
// they are whole, and what is left in the end merges from the smallest up.
template <class T>
__global__ void tree_sum(const T* parts, T* out, int64_t n, int ranks) {
  using A = decltype(widen(T{}));
  for (int64_t i = blockIdx.x * static_cast<int64_t>(blockDim.x) + threadIdx.x; i < n;
       i += static_cast<int64_t>(gridDim.x) * blockDim.x) {
    A stack[8];
    int top = 0;
    for (int r = 0; r < ranks; ++r) {
      A sum = widen(parts[r * n + i]);
      for (int merged = r + 1; (merged & 1) == 0; merged >>= 1) sum = stack[--top] + sum;
      stack[top++] = sum;
    }
    A sum = stack[--top];
    while (top > 0) sum = stack[--top] + sum;
    narrow(sum, out[i]);
  }
}

template <class T>
int launch(const void* parts, void* out, int64_t n, int ranks, void* stream) {
  if (n == 0) return cudaSuccess;
  constexpr int kThreads = 256;
  const int64_t blocks = (n + kThreads - 1) / kThreads;
  tree_sum<T><<<static_cast<int>(blocks < 4096 ? blocks : 4096), kThreads, 0, static_cast<cudaStream_t>(stream)>>>(
      static_cast<const T*>(parts), static_cast<T*>(out), n, ranks);
  return cudaGetLastError();
}

}  // namespace

int cuda_tree_sum(const void* parts, void* out, int64_t n, int ranks, CudaType type, void* stream) {
  switch (type) {
    case CudaType::kFloat: return launch<float>(parts, out, n, ranks, stream);
    case CudaType::kBf16: return launch<__nv_bfloat16>(parts, out, n, ranks, stream);
    case CudaType::kHalf: return launch<__half>(parts, out, n, ranks, stream);
    case CudaType::kInt64: return launch<long long>(parts, out, n, ranks, stream);
  }
  return cudaErrorInvalidValue;
}

}  // namespace bessemer::parallel
