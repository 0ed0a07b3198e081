#include "models/ops/attention.h"

#include <cmath>
#include <limits>

#include "models/ops/attention_cpu.h"
#include "models/ops/on_gpu.h"
#include "parallel/random.h"

namespace bessemer::models::ops {

namespace {

/// 1 / (1 - p) where a probability is kept, else 0: [b, a, s_q, s_k].
at::Tensor keep_scale(at::IntArrayRef shape, const AttentionDropout& dropout) {
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
  return mask.to(at::kFloat).div_(1.0 - dropout.p);
}

/// True where query i may see key j: [s_q, s_k], or [b, 1, s, s] for documents; undefined where it may see all.
at::Tensor visible_keys(const AttentionMask& mask, int64_t queries, int64_t keys, at::Device device) {
  at::Tensor visible;
  if (mask.causal) visible = at::ones({queries, keys}, at::TensorOptions(device).dtype(at::kBool)).tril(keys - queries);
  if (mask.ends.defined()) {
    const auto ends = mask.ends.to(device);
    visible = ends.unsqueeze(2).gt(at::arange(keys, ends.options())).unsqueeze(1).logical_or(visible);
  }
  if (!mask.starts.defined()) return visible;
  const auto starts = mask.starts.to(device);
  if (!mask.causal) return starts.unsqueeze(2).eq(starts.unsqueeze(1)).unsqueeze(1);  // of one document
  return starts.unsqueeze(2).le(at::arange(keys, starts.options())).unsqueeze(1).logical_and(visible);
}

at::Tensor composed(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const AttentionMask& mask,
                    const AttentionDropout& dropout) {
  const int64_t queries = q.size(2), keys = k.size(2);
  auto scores =
      at::matmul(q.to(at::kFloat), k.to(at::kFloat).transpose(2, 3)) / std::sqrt(static_cast<double>(q.size(3)));
  if (const auto visible = visible_keys(mask, queries, keys, q.device()); visible.defined())
    scores = scores.masked_fill(visible.logical_not(), -std::numeric_limits<float>::infinity());
  auto p = at::softmax(scores, -1);
  if (dropout.p > 0.0) p = p * keep_scale(p.sizes(), dropout);
  return at::matmul(p, v.to(at::kFloat)).to(q.scalar_type());
}

/// LibTorch's fused kernels (flash, memory-efficient, cuDNN), which always get dropout 0 from us. [b, a, s, d].
at::Tensor fused(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const AttentionMask& mask) {
  const int64_t queries = q.size(2), keys = k.size(2);
  std::optional<at::Tensor> visible;
  const bool plain = !mask.starts.defined() && !mask.ends.defined(), by_flag = mask.causal && queries == keys && plain;
  // is_causal is aligned top-left; the last query sees every key
  if (!by_flag && (!plain || (mask.causal && queries > 1))) visible = visible_keys(mask, queries, keys, q.device());
  return at::scaled_dot_product_attention(q, k, v, visible, 0.0, by_flag, std::nullopt, q.size(1) != k.size(1));
}

using torch::autograd::AutogradContext;
using torch::autograd::tensor_list;

struct CpuPackedAttention : torch::autograd::Function<CpuPackedAttention> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& qkv, PackedAttention io) {
    io.qkv = qkv.contiguous();
    for (auto* positions : {&io.starts, &io.ends}) {
      if (positions->defined()) *positions = positions->contiguous();
    }
    const int64_t s = qkv.size(0), b = qkv.size(1), d = qkv.size(2) / (io.heads + 2 * io.kv_heads);
    io.y = at::empty({s, b, io.heads * d}, qkv.options());
    io.lse = at::empty({b, io.heads, s}, qkv.options().dtype(at::kFloat));
    packed_attention_forward_cpu(io);
    ctx->save_for_backward({io.qkv, io.lse, io.starts, io.ends});
    ctx->saved_data["shape"] = std::vector<int64_t>{io.heads, io.kv_heads, io.causal};
    ctx->saved_data["p"] = io.dropout.p;
    ctx->saved_data["dropout"] = std::vector<int64_t>{static_cast<int64_t>(io.dropout.key), io.dropout.first_row,
                                                      io.dropout.first_head, io.dropout.heads};
    return io.y;
  }

  static tensor_list backward(AutogradContext* ctx, const tensor_list& gradients) {
    const auto saved = ctx->get_saved_variables();
    const auto shape = ctx->saved_data["shape"].toIntVector(), dropout = ctx->saved_data["dropout"].toIntVector();
    const PackedAttention io{
        shape[0],
        shape[1],
        shape[2] != 0,
        {ctx->saved_data["p"].toDouble(), static_cast<uint64_t>(dropout[0]), dropout[1], dropout[2], dropout[3]},
        saved[2],
        saved[3],
        saved[0],
        {},
        saved[1]};
    auto dqkv = at::empty_like(io.qkv);
    packed_attention_backward_cpu(io, gradients[0].contiguous(), dqkv);
    return {dqkv, {}};
  }
};

/// Attention with dropout on a GPU, where LibTorch's fused kernels could not draw our masks: products of LibTorch's,
/// our kernel between them. Keeps the dropped probabilities and makes the scores once more in the backward pass.
struct GpuDropoutAttention : torch::autograd::Function<GpuDropoutAttention> {
  /// a b in fp32: [n, i, j]
  static at::Tensor wide_product(const at::Tensor& a, const at::Tensor& b) {
    return a.scalar_type() == at::kFloat ? at::bmm(a, b) : at::bmm(a, b, at::kFloat);
  }

  static const int64_t* data_of(const at::Tensor& positions) {
    return positions.defined() ? positions.const_data_ptr<int64_t>() : nullptr;
  }

  static CudaProbabilities shape_of(const at::Tensor& q, int64_t keys, const AttentionMask& mask,
                                    const AttentionDropout& dropout) {
    return {cuda_type(q),
            q.size(0),
            q.size(1),
            q.size(2),
            keys,
            static_cast<float>(1.0 / std::sqrt(static_cast<double>(q.size(3)))),
            mask.causal,
            data_of(mask.starts),
            data_of(mask.ends),
            static_cast<float>(dropout.p),
            static_cast<float>(1.0 / (1.0 - dropout.p)),
            dropout.key,
            dropout.first_row,
            dropout.first_head,
            dropout.heads};
  }

  /// q, k, v [b, a, s, d]
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            AttentionMask mask, AttentionDropout dropout) {
    const int64_t b = q.size(0), a = q.size(1), queries = q.size(2), keys = k.size(2);
    for (auto* positions : {&mask.starts, &mask.ends}) {
      if (positions->defined()) *positions = positions->to(q.device()).contiguous();
    }
    const auto q3 = q.reshape({b * a, queries, -1}), k3 = k.reshape({b * a, keys, -1}),
               v3 = v.reshape({b * a, keys, -1});
    const auto scores = wide_product(q3, k3.transpose(1, 2));
    const auto lse = at::empty({b * a, queries}, scores.options());
    const auto p = at::empty({b * a, queries, keys}, q.options());
    probabilities_cuda(shape_of(q, keys, mask, dropout), scores.const_data_ptr<float>(), lse.mutable_data_ptr<float>(),
                       written(p), stream_of(q));
    ctx->save_for_backward({q, k3, v3, p, lse, mask.starts, mask.ends});
    ctx->saved_data["p"] = dropout.p;
    ctx->saved_data["rest"] = std::vector<int64_t>{mask.causal, static_cast<int64_t>(dropout.key), dropout.first_row,
                                                   dropout.first_head, dropout.heads};
    return at::bmm(p, v3).view({b, a, queries, -1});
  }

  static tensor_list backward(AutogradContext* ctx, const tensor_list& gradients) {
    const auto saved = ctx->get_saved_variables();
    const auto &q = saved[0], &k3 = saved[1], &v3 = saved[2], &p = saved[3], &lse = saved[4];
    const auto rest = ctx->saved_data["rest"].toIntVector();
    const int64_t b = q.size(0), a = q.size(1), queries = q.size(2), keys = k3.size(1);
    const auto q3 = q.reshape({b * a, queries, -1}), dy = gradients[0].reshape({b * a, queries, -1});
    const auto dv = at::bmm(p.transpose(1, 2), dy);
    const auto dp = wide_product(dy, v3.transpose(1, 2)), scores = wide_product(q3, k3.transpose(1, 2));
    const auto ds = at::empty(p.sizes(), q.options());
    probabilities_gradient_cuda(
        shape_of(q, keys, {rest[0] != 0, saved[5], saved[6]},
                 {ctx->saved_data["p"].toDouble(), static_cast<uint64_t>(rest[1]), rest[2], rest[3], rest[4]}),
        scores.const_data_ptr<float>(), lse.const_data_ptr<float>(), dp.const_data_ptr<float>(), written(ds),
        stream_of(q));
    const auto by_head = [&](const at::Tensor& x) { return x.view({b, a, x.size(1), x.size(2)}); };
    return {by_head(at::bmm(ds, k3)), by_head(at::bmm(ds.transpose(1, 2), q3)), by_head(dv), {}, {}};
  }
};

}  // namespace

at::Tensor attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const AttentionMask& mask,
                     const AttentionDropout& dropout) {
  const int64_t group = q.size(2) / k.size(2);
  const auto by_head = [](const at::Tensor& x, int64_t repeat) {  // [s, b, a, d] -> [b, a, s, d]
    return (repeat == 1 ? x : x.repeat_interleave(repeat, 2)).permute({1, 2, 0, 3});
  };
  // LibTorch's CPU kernel rounds 16-bit gradients more than need be: with gradients, and with dropout, our own way.
  const auto way = [&](int64_t repeat, auto f) { return f(by_head(q, 1), by_head(k, repeat), by_head(v, repeat)); };
  at::Tensor y;
  if (dropout.p > 0.0 && !q.is_cpu()) {
    y = way(group, [&](const auto&... x) { return GpuDropoutAttention::apply(x..., mask, dropout); });
  } else if (dropout.p > 0.0 || (q.is_cpu() && at::GradMode::is_enabled())) {
    y = way(group, [&](const auto&... x) { return composed(x..., mask, dropout); });
  } else {
    y = way(1, [&](const auto&... x) { return fused(x..., mask); });
  }
  return y.permute({2, 0, 1, 3}).reshape({q.size(0), q.size(1), q.size(2) * q.size(3)});
}

at::Tensor packed_attention(const at::Tensor& qkv, int64_t heads, int64_t kv_heads, const AttentionMask& mask,
                            const AttentionDropout& dropout) {
  if (qkv.is_cpu())
    return CpuPackedAttention::apply(
        qkv, PackedAttention{heads, kv_heads, mask.causal, dropout, mask.starts, mask.ends, {}, {}, {}});
  // Their gradients are put together in one pass; those of three narrows would be added up.
  const auto parts =
      qkv.view({qkv.size(0), qkv.size(1), heads + 2 * kv_heads, -1}).split_with_sizes({heads, kv_heads, kv_heads}, 2);
  return attention(parts[0], parts[1], parts[2], mask, dropout);
}

}  // namespace bessemer::models::ops
