#include "models/blocks/attention.h"

#include <algorithm>
#include <cmath>

#include "models/blocks/parameters.h"
#include "models/ops/attention.h"
#include "models/ops/norm.h"

namespace bessemer::models {

namespace {

ops::Rotation rotation_of(const ModelOptions& o) {
  ops::Rotation rotation(o.rope_theta);
  rotation.factor = o.rope_factor, rotation.low = o.rope_low, rotation.high = o.rope_high;
  rotation.original = static_cast<double>(o.rope_original);
  return rotation;
}

}  // namespace

SelfAttention::SelfAttention(const std::string& prefix, int64_t layer, const ModelOptions& o, const parallel::Group& tp,
                             bool sequence_parallel)
    : tp_(tp), layer_(layer), heads_(o.heads), local_(o.heads / tp.size()), local_kv_(o.kv_heads / tp.size()),
      width_(o.head_dim), rotary_(o.position == Position::kRotary), rotation_(rotation_of(o)), window_(o.window),
      eps_(o.norm_eps), dropout_(prefix + "probabilities", o.attention_dropout),
      residual_(prefix + "out", o.residual_dropout),
      qkv_(prefix, "qkv", {{"q", o.heads * width_}, {"k", o.kv_heads * width_}, {"v", o.kv_heads * width_}}, o.hidden,
           o.bias || o.attention_bias != AttentionBias::kModel, o.init_std, tp),
      // Residual projections are drawn smaller, so that the stream does not grow with depth (Radford et al. 2019).
      out_(prefix + "out", o.heads * width_, o.hidden, o.bias || o.attention_bias == AttentionBias::kAll,
           residual_std(o), tp, sequence_parallel) {
  if (!o.qk_norm) return;
  // Each rank norms its own heads with it: its gradient is a partial sum.
  q_norm_ = whole(prefix + "q_norm.weight", {width_}, {Init::kOnes, 0.0}, tp.size() > 1);
  k_norm_ = whole(prefix + "k_norm.weight", {width_}, {Init::kOnes, 0.0}, tp.size() > 1);
}

at::Tensor SelfAttention::operator()(const at::Tensor& x, const Pass& pass) const {
  at::Tensor qkv = qkv_(x, pass);  // [s, b, (a + 2 a_kv) / tp * d]
  at::Tensor heads = qkv.view({qkv.size(0), qkv.size(1), local_ + 2 * local_kv_, width_});
  if (!q_norm_.name.empty()) heads = normed(heads);
  if (rotary_) {
    heads = pass.positions.defined() ? ops::rotary(heads, pass.positions, rotation_, local_ + local_kv_)
                                     : ops::rotary(heads, 0, rotation_, local_ + local_kv_);
  }
  qkv = heads.view(qkv.sizes());
  if (!pass.caches.empty()) return residual_(out_(cached(qkv, pass), pass), pass, tp_);
  ops::AttentionDropout dropout;
  if (dropout_.active(pass)) {
    dropout = {dropout_.p(), dropout_.key(pass), pass.first_row, tp_.rank() * local_, heads_};
  }
  const at::Tensor y = ops::packed_attention(qkv, local_, local_kv_, {pass.causal, pass.starts, pass.ends}, dropout);
  return residual_(out_(y, pass), pass, tp_);  // [s, b, h]
}

at::Tensor SelfAttention::normed(const at::Tensor& heads) const {
  const auto parts = heads.split_with_sizes({local_, local_kv_, local_kv_}, 2);
  const auto norm = [&](const at::Tensor& x, const Parameter& weight) {
    return ops::norm(Norm::kRmsNorm, x.contiguous(), weight.value, {}, eps_);
  };
  return at::cat({norm(parts[0], q_norm_), norm(parts[1], k_norm_), parts[2]}, 2);
}

at::Tensor SelfAttention::cached(const at::Tensor& qkv, const Pass& pass) const {
  const int64_t s = qkv.size(0), b = qkv.size(1);
  const auto split =
      qkv.view({s, b, local_ + 2 * local_kv_, width_}).split_with_sizes({local_, local_kv_, local_kv_}, 2);
  std::vector<at::Tensor> rows;
  for (int64_t row = 0; row < b; ++row) {  // each by itself: rows are of any lengths, and see what they see alone
    const RowCache& cache = *pass.caches[static_cast<size_t>(row)];
    const KeyValues& kept = cache.layers[static_cast<size_t>(layer_)];
    const auto of_row = [&](const at::Tensor& x) { return x.narrow(1, row, 1); };
    kept.keys.narrow(0, cache.length, s).copy_(of_row(split[1]));
    kept.values.narrow(0, cache.length, s).copy_(of_row(split[2]));
    const int64_t end = cache.length + s, begin = window_ > 0 ? std::max<int64_t>(0, cache.length + 1 - window_) : 0;
    ops::AttentionMask mask{!cache.prefix || cache.length > 0};
    if (s > 1 && window_ > 0 && end - begin > window_) {  // each query has a window of its own
      const auto first = at::arange(s, pass.tokens.options()) + (cache.length + 1 - window_ - begin);
      mask.starts = first.clamp_min(0).unsqueeze(0);
    }
    rows.push_back(ops::attention(of_row(split[0]), kept.keys.narrow(0, begin, end - begin),
                                  kept.values.narrow(0, begin, end - begin), mask));
  }
  return at::cat(rows, 1);
}

KeyValues SelfAttention::make_cache(int64_t max_tokens) const {
  const auto make = [&] { return at::empty({max_tokens, 1, local_kv_, width_}, qkv_.memory()); };
  return {make(), make()};
}

void SelfAttention::list(std::vector<Parameter*>& out) {
  qkv_.list(out);
  out_.list(out);
  if (!q_norm_.name.empty()) out.insert(out.end(), {&q_norm_, &k_norm_});
}

}  // namespace bessemer::models
