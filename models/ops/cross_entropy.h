#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>

#include "parallel/group.h"

namespace bessemer::models::ops {

/// Sum over rows of loss_mask * -log softmax(logits)[target], the vocabulary split over `tp`.
///
/// Collective over `tp`: two all-reduces (the maximum; sum of exponentials and target logit together).
/// Backward overwrites the memory of `logits` with their gradient, so nothing else may read the logits afterwards.
/// \param logits       [n, v_local], fp32, bf16 or fp16: our columns of the vocabulary
/// \param targets      int64 [n], global ids; where loss_mask is 0, any value
/// \param loss_mask    fp32 [n] or undefined (all ones); rows of weight 0 cost nothing
/// \param vocab_begin  global id of our first column
/// \param vocab_valid  our columns that are real; the rest is padding and changes nothing (its gradient is 0)
/// \return             fp32 scalar, the same on every rank
/// Source: Megatron-LM, megatron/core/tensor_parallel/cross_entropy.py; llm.c, llmc/fused_classifier.cuh.
at::Tensor cross_entropy(const at::Tensor& logits, const at::Tensor& targets, const at::Tensor& loss_mask,
                         int64_t vocab_begin, int64_t vocab_valid, const parallel::Group& tp);

}  // namespace bessemer::models::ops
