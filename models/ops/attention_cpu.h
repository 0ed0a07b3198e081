#pragma once
#include <ATen/core/Tensor.h>

#include "models/ops/attention.h"

namespace bessemer::models::ops {

/// What both passes of packed attention on the CPU work on; contiguous tensors of one dtype.
struct PackedAttention {
  int64_t heads, kv_heads;
  bool causal;
  AttentionDropout dropout;
  at::Tensor starts, ends;  ///< int64 [b, s] or undefined, as AttentionMask has them
  at::Tensor qkv;           ///< [s, b, (a + 2 a_kv) * d]
  at::Tensor y;             ///< [s, b, a * d]; written by the forward pass, not read by the backward pass
  at::Tensor lse;           ///< fp32 [b, a, s], log of the sum of exponentials; written by the forward pass
};
void packed_attention_forward_cpu(PackedAttention& io);
/// Writes dqkv, of the shape of qkv.
void packed_attention_backward_cpu(const PackedAttention& io, const at::Tensor& dy, at::Tensor& dqkv);

}  // namespace bessemer::models::ops
