#pragma once
#include <cstdint>

// What flat_ops.cpp hands to the hardware: plain pointers, so that the CUDA file needs no LibTorch header.
namespace bessemer::trainer {

/// The scalars of one AdamW or LAMB update.
struct AdamStep {
  float lr = 0;
  float beta1 = 0;
  float beta2 = 0;
  float eps = 0;
  float weight_decay = 0;     ///< 0 for vectors
  float bias1 = 1;            ///< 1 - beta1^t
  float bias2_sqrt = 1;       ///< sqrt(1 - beta2^t)
  float gradient_factor = 1;  ///< unscales, normalizes and clips
};

enum class LowKind { kNone, kBf16, kFp16 };

struct AdamBuffers {
  float* weight;
  float* gradient;
  float* momentum;
  float* variance;
  uint16_t* low;
  LowKind kind;
  AdamBuffers from(int64_t i) const {
    return {weight + i, gradient + i, momentum + i, variance + i, low == nullptr ? nullptr : low + i, kind};
  }
};

void adam_update_cpu(const AdamStep& step, const AdamBuffers& buffers, int64_t n);
void lamb_direction_cpu(const AdamStep& step, const AdamBuffers& buffers, int64_t n);
void lamb_apply_cpu(float length, const AdamBuffers& buffers, int64_t n);
void add_and_clear_cpu(float* into, uint16_t* low, LowKind kind, int64_t n);
double sum_squares_cpu(const float* x, int64_t n);

// In a build without CUDA (flat_ops_no_cuda.cpp) these are never reached: no tensor can be on a GPU.
void adam_update_cuda(const AdamStep& step, const AdamBuffers& buffers, int64_t n);
void lamb_direction_cuda(const AdamStep& step, const AdamBuffers& buffers, int64_t n);
void lamb_apply_cuda(float length, const AdamBuffers& buffers, int64_t n);
void add_and_clear_cuda(float* into, uint16_t* low, LowKind kind, int64_t n);
void block_squares_cuda(const float* x, int64_t n, int64_t block, double* sums);

}  // namespace bessemer::trainer
