#pragma once
// What the operators hand to a GPU: plain pointers into device memory, so that the CUDA files need no LibTorch header.
// All run on the stream given (a cudaStream_t) and check their launch. In a build without CUDA (kernels_no_cuda.cpp)
// none is ever reached: no tensor can be on a GPU. Sums are fp32, in an order that does not depend on timing.
#include <cstdint>

#include "parallel/tree_sum_cuda.h"

namespace bessemer::models::ops {

using parallel::CudaType;

/// norm_forward_cpu's arrays, rows of `width`; null for what is not there. `stats` is fp32 [2, rows].
struct CudaNorm {
  CudaType type;
  bool centered;
  float eps;
  int64_t rows, width;
  const void *residual, *x, *weight, *bias;
  void *sum, *y;
  float* stats;
};
void norm_forward_cuda(const CudaNorm& io, void* stream);

/// norm_backward_cpu's. `parts` is fp32 [2, blocks, width], written: what each block has of dweight and dbias.
struct CudaNormGradient {
  CudaType type;
  bool centered;
  int64_t rows, width;
  const void *x, *weight;
  const float* stats;
  const void *dy, *dsum;
  void* dx;
  float* parts;
  int64_t blocks;
};
int64_t norm_gradient_blocks(int64_t rows);
void norm_backward_cuda(const CudaNormGradient& io, void* stream);

/// cross_entropy_cpu.h's three steps, for logits [rows, columns] of which `valid` columns are real.
struct CudaLogits {
  CudaType type;
  void* logits;
  int64_t rows, columns, valid;
  const int64_t* targets;  ///< [rows], less `begin`: our column
  int64_t begin;
};
void row_maximum_cuda(const CudaLogits& io, float* top, void* stream);
void row_sums_cuda(const CudaLogits& io, const float* top, float* sums, void* stream);
void logits_to_gradient_cuda(const CudaLogits& io, const float* lse, const float* scale, void* stream);

/// parts [rows / kStripRows rounded up, columns], fp32: sums of each strip of rows of x [rows, columns].
constexpr int64_t kStripRows = 512;
void column_sums_cuda(CudaType type, const void* x, int64_t rows, int64_t columns, float* parts, void* stream);

/// y = x / (1 - p) where kept, else 0: x [s, b, width], element (i, row, j) is `first + (row * positions + i) * width +
/// j` of fill_keep_mask's stream.
struct CudaDropout {
  CudaType type;
  float p, factor;  ///< factor: 1 / (1 - p)
  uint64_t key;
  int64_t s, b, width, positions, first;
};
void dropout_cuda(const CudaDropout& place, const void* x, void* y, void* stream);

/// Attention probabilities of scores [b, a, s_q, s_k] (fp32, q k^T before `scale`), masked and dropped.
struct CudaProbabilities {
  CudaType type;  ///< of what is written
  int64_t b, a, queries, keys;
  float scale;
  bool causal;
  const int64_t *starts, *ends;  ///< [b, keys] or null, as AttentionMask has them
  float p, factor;               ///< of dropout; factor: 1 / (1 - p)
  uint64_t key;
  int64_t first_row, first_head, heads;
};
/// lse: fp32 [b, a, s_q]
void probabilities_cuda(const CudaProbabilities& shape, const float* scores, float* lse, void* dropped, void* stream);
/// dscores of the gradient of the dropped probabilities, both [b, a, s_q, s_k].
void probabilities_gradient_cuda(const CudaProbabilities& shape, const float* scores, const float* lse,
                                 const float* ddropped, void* dscores, void* stream);

}  // namespace bessemer::models::ops
