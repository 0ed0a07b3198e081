#include "models/ops/attention.h"

#include <cmath>
#include <limits>

#include "parallel/random.h"

namespace bessemer::models::ops {

namespace {

/// 1 / (1 - p) where a probability is kept, else 0: [b, a, s_q, s_k].
at::Tensor keep_scale(at::IntArrayRef shape, const AttentionDropout& dropout, at::Device device) {
  const int64_t rows = shape[0], heads = shape[1], block = shape[2] * shape[3];
  auto mask = at::empty(shape, at::kByte);
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t head = 0; head < heads; ++head) {
      const int64_t global = (dropout.first_row + row) * dropout.heads + dropout.first_head + head;
      auto* begin = mask.data_ptr<uint8_t>() + (row * heads + head) * block;
      parallel::fill_keep_mask(dropout.key, static_cast<uint64_t>(global * block), static_cast<float>(dropout.p),
                               {begin, static_cast<std::size_t>(block)});
    }
  }
  return mask.to(device).to(at::kFloat).div_(1.0 - dropout.p);
}

at::Tensor composed(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, bool causal, const AttentionDropout& dropout) {
  const int64_t queries = q.size(2), keys = k.size(2);
  auto scores = at::matmul(q.to(at::kFloat), k.to(at::kFloat).transpose(2, 3)) / std::sqrt(static_cast<double>(q.size(3)));
  if (causal) {
    const auto hidden = at::ones({queries, keys}, scores.options().dtype(at::kBool)).triu(keys - queries + 1);
    scores = scores.masked_fill(hidden, -std::numeric_limits<float>::infinity());
  }
  auto p = at::softmax(scores, -1);
  if (dropout.p > 0.0) p = p * keep_scale(p.sizes(), dropout, q.device());
  return at::matmul(p, v.to(at::kFloat)).to(q.scalar_type());
}

}  // namespace

at::Tensor attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const AttentionMask& mask,
                     const AttentionDropout& dropout) {
  const int64_t group = q.size(2) / k.size(2);
  const auto by_head = [](const at::Tensor& x, int64_t repeat) {  // [s, b, a, d] -> [b, a, s, d]
    return (repeat == 1 ? x : x.repeat_interleave(repeat, 2)).permute({1, 2, 0, 3});
  };
  const auto y = composed(by_head(q, 1), by_head(k, group), by_head(v, group), mask.causal, dropout);
  return y.permute({2, 0, 1, 3}).reshape({q.size(0), q.size(1), q.size(2) * q.size(3)});
}

at::Tensor packed_attention(const at::Tensor& qkv, int64_t heads, int64_t kv_heads, const AttentionMask& mask,
                            const AttentionDropout& dropout) {
  const auto split = qkv.view({qkv.size(0), qkv.size(1), heads + 2 * kv_heads, -1});
  return attention(split.narrow(2, 0, heads), split.narrow(2, heads, kv_heads), split.narrow(2, heads + kv_heads, kv_heads),
                   mask, dropout);
}

}  // namespace bessemer::models::ops
