// A plain BERT beside ours: the same canonical weights, ATen's own operators and autograd, fp64.
#pragma once
#include "models/bert.h"
#include "tests/models/gpt_cases.h"

namespace bessemer::models {

inline ModelOptions small_bert() {
  ModelOptions o = small();
  o.family = Family::kBert;
  o.bias = true, o.norm_eps = 1e-12, o.activation = Activation::kGelu;
  return o;
}

/// Rows in which three positions are to be predicted, no two rows alike.
inline data::Batch masked_batch(const ModelOptions& o, int64_t rows, int64_t sequence) {
  auto batch = random_batch(o, rows, sequence);
  batch.tensors["targets"] = random_batch(o, rows, sequence, 4)["tokens"];
  auto mask = at::zeros({rows, sequence});
  for (int64_t r = 0; r < rows; ++r) {
    for (const int64_t at : {r, sequence / 2, sequence - 1 - r}) mask[r][at] = 1.0;
  }
  batch.tensors["loss_mask"] = mask;
  batch.tensors["predicted"] = at::nonzero(mask.t().reshape({-1})).view({-1});
  return batch;
}

inline void add_segments(data::Batch& batch) {
  auto segments = at::zeros_like(batch["tokens"]);
  segments.narrow(1, segments.size(1) / 2, segments.size(1) - segments.size(1) / 2).fill_(1);
  batch.tensors["segments"] = segments;
}

/// Written from the paper and Hugging Face's BertForPreTraining, not from our code.
class BertReference {
 public:
  BertReference(const ModelOptions& options, const Tensors& weights) : o_(resolve(options)) {
    for (const auto& [name, w] : weights) w_[name] = w.to(at::kDouble).set_requires_grad(true);
  }
  at::Tensor hidden(const data::Batch& batch) const {  // [b, s, h]
    const auto& tokens = batch["tokens"];
    const int64_t s = tokens.size(1);
    const auto look_up = [&](const char* table, const at::Tensor& ids) {
      return at::embedding(w_.at(std::string("embed.") + table + ".weight"), ids);
    };
    const auto starts = batch.has("starts") ? batch["starts"] : at::zeros_like(tokens);
    at::Tensor x = look_up("token", tokens) + look_up("position", at::arange(s).unsqueeze(0) - starts) +
                   look_up("segment", batch.has("segments") ? batch["segments"] : at::zeros_like(tokens));
    const bool post = o_.norm_place == NormPlace::kPost;
    if (post) x = norm("embed.norm", x);
    const auto apart = starts.unsqueeze(2).ne(starts.unsqueeze(1)).unsqueeze(1);
    for (int64_t i = 0; i < o_.layers; ++i) {
      const std::string h = "h." + std::to_string(i) + ".";
      if (post) {
        x = norm(h + "norm1", x + attention(h + "attention.", x, apart));
        x = norm(h + "norm2", x + mlp(h + "mlp.", x));
      } else {
        x = x + attention(h + "attention.", norm(h + "norm1", x), apart);
        x = x + mlp(h + "mlp.", norm(h + "norm2", x));
      }
    }
    return post ? x : norm("norm", x);
  }
  at::Tensor loss(const data::Batch& batch) const {
    const auto x = hidden(batch);
    const auto y = norm("head.norm", at::gelu(linear("head.transform", x)));
    const auto logits = at::linear(y, w_.at("embed.token.weight"), w_.at("head.bias"));
    auto sum =
        (-at::log_softmax(logits, -1).gather(2, batch["targets"].unsqueeze(2)).squeeze(2) * batch["loss_mask"]).sum();
    if (!batch.has("pair_labels")) return sum;
    const auto pair = linear("pair", at::tanh(linear("pooler", x.select(1, 0))));
    const auto of_pairs = -at::log_softmax(pair, -1).gather(1, batch["pair_labels"].unsqueeze(1)).mean();
    return sum + of_pairs * batch["loss_mask"].sum();
  }
  const Tensors& weights() const { return w_; }

 private:
  at::Tensor linear(const std::string& name, const at::Tensor& x) const {
    return at::linear(x, w_.at(name + ".weight"), w_.at(name + ".bias"));
  }
  at::Tensor norm(const std::string& name, const at::Tensor& x) const {
    return at::layer_norm(x, {o_.hidden}, w_.at(name + ".weight"), w_.at(name + ".bias"), o_.norm_eps);
  }
  at::Tensor attention(const std::string& name, const at::Tensor& x, const at::Tensor& apart) const {
    const auto heads = [&](const at::Tensor& y) {
      return y.view({y.size(0), y.size(1), -1, o_.hidden / o_.heads}).transpose(1, 2);
    };
    const auto q = heads(linear(name + "q", x)), k = heads(linear(name + "k", x)), v = heads(linear(name + "v", x));
    auto scores = at::matmul(q, k.transpose(2, 3)) / std::sqrt(static_cast<double>(q.size(3)));
    scores = scores.masked_fill(apart, -INFINITY);
    return linear(name + "out", at::matmul(at::softmax(scores, -1), v).transpose(1, 2).reshape(x.sizes()));
  }
  at::Tensor mlp(const std::string& name, const at::Tensor& x) const {
    return linear(name + "down", at::gelu(linear(name + "up", x)));
  }

  ModelOptions o_;
  Tensors w_;
};

}  // namespace bessemer::models
