// A plain GPT beside ours: the same canonical weights, ATen's own operators and autograd, fp64.
#pragma once
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <string>

#include "models/gpt.h"
#include "models/presets.h"
#include "parallel/random.h"

namespace bessemer::models {

using Tensors = std::map<std::string, at::Tensor>;  // by canonical name

/// Small, but no two sizes are equal, and the vocabulary is odd.
inline ModelOptions small() {
  ModelOptions o;
  o.layers = 2, o.hidden = 32, o.heads = 4, o.ffn = 48, o.sequence = 12, o.vocab = 37;
  o.init_std = 0.2;  // large enough for every term to show
  return o;
}

/// A model with memory, gradients and initial weights; biases and norm weights are drawn too, so that they matter.
inline std::unique_ptr<Model> build(const ModelOptions& options, const parallel::Grid& grid = {},
                                    bool sequence_parallel = false, at::ScalarType dtype = at::kFloat) {
  auto model = make_model(options, grid, sequence_parallel);
  allocate(*model, dtype, at::kCPU);
  for (Parameter* p : model->parameters()) {
    Parameter drawn = *p;
    for (Piece& piece : drawn.pieces) {
      if (piece.init != Init::kNormal) piece.init_std = 0.2f;
      piece.init = Init::kNormal;
    }
    at::Tensor values = at::empty(p->local_shape, at::kFloat);
    initialize(drawn, 7, values);
    if (p->pieces[0].init == Init::kOnes) values.add_(1.0);
    p->value.copy_(values);
    p->value.set_requires_grad(true);
  }
  return model;
}

/// The canonical tensors behind what `local` gives of each parameter. Collective over tp.
template <class Local>
Tensors canonical(Model& model, const parallel::Group& tp, bool partial_sums, const Local& local) {
  Tensors all;
  for (Parameter* p : model.parameters()) {
    const at::Tensor x = local(*p).to(at::kFloat);
    for (const Piece& piece : p->pieces) {
      at::Tensor whole = at::zeros(piece.shape, at::kFloat);
      whole.narrow(piece.dim, piece.begin, piece.end - piece.begin).copy_(x.narrow(0, piece.row, piece.rows));
      if (!p->replicated || (partial_sums && p->sum_over_tp)) tp.all_reduce(whole);
      EXPECT_TRUE(all.emplace(piece.name, whole).second) << piece.name << " twice";
    }
  }
  return all;
}

inline Tensors weights(Model& model, const parallel::Group& tp = {}) {
  return canonical(model, tp, false, [](const Parameter& p) { return p.value.detach(); });
}

inline Tensors gradients(Model& model, const parallel::Group& tp = {}) {
  return canonical(model, tp, true, [](const Parameter& p) { return p.value.grad(); });
}

inline data::Batch random_batch(const ModelOptions& o, int64_t rows, int64_t sequence, uint64_t seed = 3) {
  std::vector<float> uniform(static_cast<size_t>(rows * (sequence + 1)));
  parallel::fill_uniform(seed, 0, uniform);
  const at::Tensor ids = (at::tensor(uniform).view({rows, -1}) * static_cast<double>(o.vocab)).to(at::kLong);
  data::Batch batch;
  batch.tensors["tokens"] = ids.narrow(1, 0, sequence).contiguous();
  batch.tensors["targets"] = ids.narrow(1, 1, sequence).contiguous();
  return batch;
}

/// The reference: written from facts about GPT-2 and Llama, not from our code.
class Reference {
 public:
  Reference(const ModelOptions& options, const Tensors& weights) : o_(resolve(options)) {
    for (const auto& [name, w] : weights) w_[name] = w.to(at::kDouble).set_requires_grad(true);
  }
  at::Tensor logits(const at::Tensor& tokens) const {  // [b, s] -> [b, s, v]
    const int64_t s = tokens.size(1);
    at::Tensor x = w_.at("embed.token.weight").index_select(0, tokens.flatten()).view({tokens.size(0), s, -1});
    if (o_.position == Position::kLearned) x = x + w_.at("embed.position.weight").narrow(0, 0, s);
    for (int64_t i = 0; i < o_.layers; ++i) {
      const std::string h = "h." + std::to_string(i) + ".";
      x = x + attention(h + "attention.", norm(h + "norm1", x));
      x = x + mlp(h + "mlp.", norm(h + "norm2", x));
    }
    return at::linear(norm("norm", x), w_.at(o_.tied ? "embed.token.weight" : "head.weight"));
  }
  at::Tensor loss(const data::Batch& batch) const {
    at::Tensor losses =
        -at::log_softmax(logits(batch["tokens"]), -1).gather(2, batch["targets"].unsqueeze(2)).squeeze(2);
    if (batch.has("loss_mask")) losses = losses * batch["loss_mask"];
    return losses.sum();
  }
  const Tensors& weights() const { return w_; }

 private:
  at::Tensor linear(const std::string& name, const at::Tensor& x) const {
    return at::linear(x, w_.at(name + ".weight"), o_.bias ? std::optional(w_.at(name + ".bias")) : std::nullopt);
  }
  at::Tensor norm(const std::string& name, const at::Tensor& x) const {
    if (o_.norm == Norm::kRmsNorm) {
      return x * at::rsqrt(x.square().mean(-1, true) + o_.norm_eps) * w_.at(name + ".weight");
    }
    return at::layer_norm(x, {o_.hidden}, w_.at(name + ".weight"),
                          o_.bias ? std::optional(w_.at(name + ".bias")) : std::nullopt, o_.norm_eps);
  }
  at::Tensor heads(const at::Tensor& x) const {  // [b, s, a * d] -> [b, a, s, d]
    return x.view({x.size(0), x.size(1), -1, o_.hidden / o_.heads}).transpose(1, 2);
  }
  at::Tensor turn(const at::Tensor& x) const {
    if (o_.position != Position::kRotary) return x;
    const int64_t s = x.size(2), d = x.size(3);
    const at::Tensor power = at::arange(0, d, 2, at::kDouble) / static_cast<double>(d);
    const at::Tensor angle = at::outer(at::arange(s, at::kDouble), at::pow(o_.rope_theta, -power)).repeat({1, 2});
    const auto halves = x.chunk(2, -1);
    return x * angle.cos() + at::cat({-halves[1], halves[0]}, -1) * angle.sin();
  }
  at::Tensor attention(const std::string& name, const at::Tensor& x) const {
    const int64_t s = x.size(1);
    const at::Tensor q = turn(heads(linear(name + "q", x))), k = turn(heads(linear(name + "k", x)));
    const at::Tensor v = heads(linear(name + "v", x));
    const int64_t group = o_.heads / o_.kv_heads;
    at::Tensor scores =
        at::matmul(q, k.repeat_interleave(group, 1).transpose(2, 3)) / std::sqrt(static_cast<double>(q.size(3)));
    scores = scores + at::full({s, s}, -INFINITY, at::kDouble).triu(1);
    const at::Tensor y = at::matmul(at::softmax(scores, -1), v.repeat_interleave(group, 1));
    return linear(name + "out", y.transpose(1, 2).reshape(x.sizes()));
  }
  at::Tensor mlp(const std::string& name, const at::Tensor& x) const {
    const at::Tensor up = linear(name + "up", x);
    switch (o_.activation) {
      case Activation::kGelu: return linear(name + "down", at::gelu(up));
      case Activation::kGeluTanh: return linear(name + "down", at::gelu(up, "tanh"));
      case Activation::kRelu: return linear(name + "down", up.clamp_min(0));
      case Activation::kRelu2: return linear(name + "down", up.clamp_min(0).square());
      case Activation::kSwiglu: break;
    }
    return linear(name + "down", at::silu(linear(name + "gate", x)) * up);
  }

  ModelOptions o_;
  Tensors w_;
};

/// Equal to `tolerance` of the largest value; of the largest of all tensors where the reference is zero (q and k of
/// rows of one token, whose softmax is 1 whatever they are). Key biases only to that of the largest of all tensors:
/// without rotary positions their gradient is zero in theory and rounding in practice (softmax ignores what all keys
/// have in common).
/// `share`: of the largest of all tensors' largest values, what a tensor's own counts as at least. In 16 bits the
/// gradients of q and k are small differences of rounded numbers.
inline void expect_close(const Tensors& got, const Tensors& want, double tolerance, double share = 0.0) {
  ASSERT_EQ(got.size(), want.size());
  double largest = 0.0;
  for (const auto& [name, x] : want) largest = std::max(largest, x.abs().max().item<double>());
  for (const auto& [name, x] : want) {
    ASSERT_TRUE(got.count(name)) << name;
    const double own = x.abs().max().item<double>();
    const double scale = name.ends_with("k.bias") || own == 0 ? largest : std::max(own, share * largest);
    const double off = (got.at(name).to(at::kDouble) - x.to(at::kDouble)).abs().max().item<double>();
    EXPECT_LE(off, tolerance * scale) << name;
  }
}

}  // namespace bessemer::models
