#pragma once
// Kernel launchers without LibTorch headers; the stream is a cudaStream_t.
#include <cstdint>

namespace bessemer::parallel {

enum class CudaType { kFloat, kBf16, kHalf, kInt64 };
constexpr int kMaxCudaRanks = 255;  ///< partial sums of a binary counter of 8 digits

/// out[i] = sum over r of parts[r * n + i], in the tree of tree_sum.h; fp32 inside for 16-bit types. Not in place.
/// \return a cudaError_t.
int cuda_tree_sum(const void* parts, void* out, int64_t n, int ranks, CudaType type, void* stream);

}  // namespace bessemer::parallel
