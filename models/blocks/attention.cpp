#include "models/blocks/attention.h"

#include <cmath>

#include "models/ops/attention.h"
#include "models/ops/rotary.h"

namespace bessemer::models {

SelfAttention::SelfAttention(const std::string& prefix, int64_t layer, const ModelOptions& o, const parallel::Group& tp,
                             bool sequence_parallel)
    : tp_(tp), layer_(layer), heads_(o.heads), local_(o.heads / tp.size()), local_kv_(o.kv_heads / tp.size()),
      width_(o.hidden / o.heads), rotary_(o.position == Position::kRotary), theta_(o.rope_theta),
      dropout_(prefix + "probabilities", o.attention_dropout), residual_(prefix + "out", o.residual_dropout),
      qkv_(prefix, "qkv", {{"q", o.hidden}, {"k", o.kv_heads * width_}, {"v", o.kv_heads * width_}}, o.hidden, o.bias,
           o.init_std, tp),
      // Residual projections are drawn smaller, so that the stream does not grow with depth (Radford et al. 2019).
      out_(prefix + "out", o.hidden, o.hidden, o.bias, residual_std(o), tp, sequence_parallel) {}

at::Tensor SelfAttention::operator()(const at::Tensor& x, const Pass& pass) const {
  at::Tensor qkv = qkv_(x, pass);  // [s, b, (a + 2 a_kv) / tp * d]
  if (rotary_) {
    const at::Tensor heads = qkv.view({qkv.size(0), qkv.size(1), local_ + 2 * local_kv_, width_});
    qkv = (pass.positions.defined() ? ops::rotary(heads, pass.positions, theta_, local_ + local_kv_)
                                    : ops::rotary(heads, pass.first_position, theta_, local_ + local_kv_))
              .view(qkv.sizes());
  }
  if (pass.cache) return residual_(out_(cached(qkv, pass), pass), pass, tp_);
  ops::AttentionDropout dropout;
  if (dropout_.active(pass)) {
    dropout = {dropout_.p(), dropout_.key(pass), pass.first_row, tp_.rank() * local_, heads_};
  }
  const at::Tensor y = ops::packed_attention(qkv, local_, local_kv_, {pass.causal, pass.starts}, dropout);
  return residual_(out_(y, pass), pass, tp_);  // [s, b, h]
}

at::Tensor SelfAttention::cached(const at::Tensor& qkv, const Pass& pass) const {
  KeyValues& kept = (*pass.cache)[static_cast<size_t>(layer_)];
  const int64_t s = qkv.size(0), b = qkv.size(1), seen = pass.first_position + s;
  const auto split =
      qkv.view({s, b, local_ + 2 * local_kv_, width_}).split_with_sizes({local_, local_kv_, local_kv_}, 2);
  kept.keys.narrow(0, pass.first_position, s).copy_(split[1]);
  kept.values.narrow(0, pass.first_position, s).copy_(split[2]);
  return ops::attention(split[0], kept.keys.narrow(0, 0, seen), kept.values.narrow(0, 0, seen), {});
}

KeyValues SelfAttention::make_cache(int64_t batch, int64_t max_tokens) const {
  const auto make = [&] { return at::empty({max_tokens, batch, local_kv_, width_}, qkv_.memory()); };
  return {make(), make()};
}

void SelfAttention::list(std::vector<Parameter*>& out) {
  qkv_.list(out);
  out_.list(out);
}

}  // namespace bessemer::models
