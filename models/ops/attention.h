#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>

namespace bessemer::models::ops {

/// Which keys a query may see.
struct AttentionMask {
  /// Query i of s_q sees key j of s_k where j <= i + s_k - s_q: the last query sees all keys (a key-value cache).
  bool causal = true;
  /// Documents in a row (self-attention only): int64 [b, s], starts[r, i] is where the document of position i of row r
  /// begins. A query sees no key before that, and, where not causal, none of a later document. Undefined: one document.
  /// Causal: any first key that a query sees, never falling along a row (a window that slides), also where s_k > s_q.
  at::Tensor starts = {};
  /// Prefixes that all of their document sees (causal self-attention only): int64 [b, s], a query i of row r sees keys
  /// before ends[r, i], too; never falling along a row. Undefined: none.
  at::Tensor ends = {};
};

/// Dropout of attention probabilities: a mask that is a function of (key, global row, global head, query, key
/// position).
struct AttentionDropout {
  double p = 0.0;
  uint64_t key = 0;
  int64_t first_row = 0;   ///< global row of the micro-batch's first row
  int64_t first_head = 0;  ///< global index of our first query head
  int64_t heads = 0;       ///< query heads of the whole model
};

/// softmax(q k^T / sqrt(d), masked) v. a must be a multiple of a_kv (grouped queries: head i uses key head i / (a /
/// a_kv)). \param q     [s_q, b, a, d]; \param k, v  [s_k, b, a_kv, d]; last dimension contiguous, other strides free
/// \return      [s_q, b, a * d]
at::Tensor attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const AttentionMask& mask,
                     const AttentionDropout& dropout = {});

/// The same for q, k and v in one tensor (what one linear layer makes), whose gradient comes as one tensor too.
/// \param qkv  [s, b, (a + 2 a_kv) * d], laid out q heads | k heads | v heads
/// \return     [s, b, a * d]
at::Tensor packed_attention(const at::Tensor& qkv, int64_t heads, int64_t kv_heads, const AttentionMask& mask,
                            const AttentionDropout& dropout = {});

}  // namespace bessemer::models::ops
