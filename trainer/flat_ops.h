#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "trainer/flat_kernels.h"

namespace bessemer::trainer {

// One pass each over flat buffers, on the CPU (flat_ops_cpu.cpp) or a GPU (flat_ops_cuda.cu).

/// AdamW (Loshchilov and Hutter 2019; the arithmetic of torch.optim.AdamW) on contiguous elements; clears the gradient.
/// \param weight, momentum, variance  fp32 [n], updated.  \param gradient  fp32 [n], read and set to zero.
/// \param low  16-bit copy of the weight [n] to be written too, or undefined.
void adam_update(const AdamStep& step, at::Tensor weight, at::Tensor gradient, at::Tensor momentum, at::Tensor variance,
                 at::Tensor low);

/// LAMB's first half (You et al. 2020, algorithm 2): moves momentum and variance and leaves in `gradient` the
/// direction, m / (sqrt(v) + eps) with both bias-corrected, plus weight_decay w. All fp32 [n]; step.lr is not used.
void lamb_direction(const AdamStep& step, at::Tensor weight, at::Tensor gradient, at::Tensor momentum,
                    at::Tensor variance);
/// Its second: weight -= length * direction; the direction (where the gradient lay) becomes zero. `low` as above.
void lamb_apply(float length, at::Tensor weight, at::Tensor direction, at::Tensor low);

/// into += low; low = 0. \param into fp32 [n]; \param low bf16 or fp16 [n].
void add_and_clear(at::Tensor into, at::Tensor low);

/// Sums of squares of blocks of `block` elements of each of the fp32 `parts` ([n] each, on one device), one after the
/// other, each in a fixed order: the same bits for a block wherever it lies. inf or nan where an element is; a sum that
/// overflows fp32 is taken again in double. On a GPU it waits for the sums once.
std::vector<double> block_squares(const std::vector<at::Tensor>& parts, int64_t block);

}  // namespace bessemer::trainer
