#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>

namespace bessemer::models::ops {

/// Where a slice [s, b, h] lies in the global batch, so that its mask is the same bits on every layout.
struct DropoutPlace {
  uint64_t key = 0;            ///< stream_key(seed, name of this dropout, step)
  int64_t first_row = 0;       ///< global row of b = 0
  int64_t first_position = 0;  ///< global position of s = 0 (sequence parallelism: not 0)
  int64_t positions = 0;       ///< positions of the whole sequence
};

/// x with each element zeroed with probability p, else divided by 1 - p. The mask is a function of (key, global row,
/// position, feature): element (row * positions + position) * h + feature of parallel::fill_keep_mask's stream.
/// \param x  [s, b, h], fp32, bf16 or fp16
at::Tensor dropout(const at::Tensor& x, double p, const DropoutPlace& place);

}  // namespace bessemer::models::ops
