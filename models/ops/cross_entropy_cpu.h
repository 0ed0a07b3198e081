#pragma once
#include <ATen/core/Tensor.h>

namespace bessemer::models::ops {

/// fp32 [n]: the largest of the first `valid` logits of each row of contiguous [n, v] (-inf where valid is 0).
void row_maximum_cpu(const at::Tensor& logits, int64_t valid, at::Tensor& top);
/// fp32 sums [2, n]: sum of e^(logit - top); the target's logit, 0 where the target is not among our columns.
void row_sums_cpu(const at::Tensor& logits, int64_t valid, const at::Tensor& top, const at::Tensor& targets,
                  int64_t begin, at::Tensor& sums);
/// Overwrites each row of logits by scale[row] * (softmax - one-hot), padding by zeros.
void logits_to_gradient_cpu(at::Tensor& logits, int64_t valid, const at::Tensor& lse, const at::Tensor& targets,
                            int64_t begin, const at::Tensor& scale);

}  // namespace bessemer::models::ops
