#include "models/bert.h"

#include "models/blocks/attention.h"
#include "models/blocks/mlp.h"
#include "models/blocks/norm.h"
#include "models/blocks/recompute.h"
#include "models/blocks/vocabulary.h"
#include "models/cost.h"
#include "models/ops/activation.h"
#include "models/ops/cross_entropy.h"
#include "models/ops/embedding.h"
#include "models/ops/linear.h"
#include "parallel/collectives.h"
#include "parallel/error.h"

namespace bessemer::models {

namespace {

/// A linear layer that every rank of tp computes alike.
struct AlikeLinear {
  AlikeLinear(const std::string& name, int64_t in, int64_t out, double std)
      : weight(whole(name + ".weight", {out, in}, {Init::kNormal, std}, false)),
        bias(whole(name + ".bias", {out}, {Init::kZeros, 0.0}, false)) {}
  at::Tensor operator()(const at::Tensor& x) const { return ops::linear(x, weight.value, bias.value); }
  void list(std::vector<Parameter*>& out) { out.insert(out.end(), {&weight, &bias}); }
  Parameter weight, bias;
};

[[noreturn]] void no_generation() {
  fail(ExitCode::kUsage,
       "a model of the family bert fills in masked tokens and does not generate text; use one of the "
       "family gpt");
}

/// Positions that go through the head; [data] may ask for another share.
constexpr double kMaskedShare = 0.15;

}  // namespace

struct Bert::Embed : Block {
  Embed(const ModelOptions& o, const parallel::Group& group, bool partial)
      : Block("embed"), tp(group), token("embed.token.weight", o, group), norm("embed.norm", o, partial),
        dropout("embed", o.embedding_dropout), offset(o.position_offset), post(o.norm_place == NormPlace::kPost) {
    parameters_.push_back(&token.weight());
    const auto table = [&](const char* name, int64_t rows) {
      return whole(name, {rows, o.hidden}, {Init::kNormal, o.init_std}, partial);
    };
    if (o.position == Position::kLearned) position = table("embed.position.weight", offset + o.sequence);
    if (o.segments > 0) segment = table("embed.segment.weight", o.segments);
    for (Parameter* p : {&position, &segment}) {
      if (!p->name.empty()) parameters_.push_back(p);
    }
    if (post) norm.list(parameters_);
  }
  void forward(Pass& pass) override {
    at::Tensor x = token.embed(pass);  // [s, b, h], or [s / tp, b, h]
    const int64_t ours = pass.sequence_parallel ? tp.rank() * x.size(0) : 0;
    const auto rows = [&](const at::Tensor& ids) { return ids.narrow(0, ours, x.size(0)); };
    if (position.value.defined()) {
      x = pass.positions.defined() ? x + ops::embedding(rows(pass.positions) + offset, position.value)
                                   : ops::add_positions(x, position.value, offset + ours);
    }
    if (segment.value.defined()) {
      const auto ids = pass.segments.defined() ? pass.segments : at::zeros_like(pass.tokens);
      x = x + ops::embedding(rows(ids), segment.value);
    }
    pass.residual = x;
    if (post) pass.residual = norm(pass);
    pass.residual = dropout(pass.residual, pass, tp);
  }
  parallel::Group tp;
  VocabularyMatrix token;
  Parameter position, segment;
  StreamNorm norm;
  DropoutSite dropout;
  int64_t offset;
  bool post;
};

struct Bert::Layer : Block {
  Layer(int64_t index, const ModelOptions& o, const parallel::Group& tp, bool partial)
      : Block("h." + std::to_string(index)), attention(name() + ".attention.", index, o, tp, partial),
        norm1(name() + ".norm1", o, partial), mlp(name() + ".mlp.", o, tp, partial),
        norm2(name() + ".norm2", o, partial), post(o.norm_place == NormPlace::kPost) {
    if (!post) norm1.list(parameters_);
    attention.list(parameters_);
    (post ? norm1 : norm2).list(parameters_);
    mlp.list(parameters_);
    if (post) norm2.list(parameters_);
  }
  void forward(Pass& pass) override {
    if (post) {
      pass.branch = attention(pass.residual, pass);
      pass.residual = norm1(pass);
      pass.branch = mlp(pass.residual, pass);
      pass.residual = norm2(pass);
    } else {
      pass.branch = attention(norm1(pass), pass);
      pass.branch = mlp(norm2(pass), pass);
    }
  }
  SelfAttention attention;
  StreamNorm norm1;
  Mlp mlp;
  StreamNorm norm2;
  bool post;
};

/// Of the positions that are to be predicted only: transform, norm, the token embedding as the output matrix.
struct Bert::Head : Block {
  Head(const ModelOptions& o, const parallel::Group& group, bool partial, VocabularyMatrix& tokens)
      : Block("head"), tp(group), last("norm", o, partial), transform("head.transform", o.hidden, o.hidden, o.init_std),
        norm("head.norm", o, false), matrix(tokens),
        bias(split_vocabulary("head.bias", o.vocab, 0, {Init::kZeros, 0.0}, group)),
        activation(o.activation == Activation::kSwiglu ? Activation::kGelu : o.activation),
        post(o.norm_place == NormPlace::kPost) {
    if (!post) last.list(parameters_);
    transform.list(parameters_);
    norm.list(parameters_);
    parameters_.insert(parameters_.end(), {&bias, &matrix.weight()});
  }
  void forward(Pass& pass) override {
    if (!post) pass.residual = last(pass);
    if (pass.sequence_parallel) pass.residual = parallel::gather_alike(pass.residual, tp);
    Pass selected;
    selected.residual = pass.residual.reshape({-1, pass.residual.size(2)});  // [s * b, h]
    if (pass.predicted.defined()) selected.residual = selected.residual.index_select(0, pass.predicted);
    selected.residual = ops::activation(activation, transform(selected.residual));
    pass.logits = matrix.logits_of(norm(selected), bias.value);  // [n, v / tp]
  }
  parallel::Group tp;
  StreamNorm last;
  AlikeLinear transform;
  StreamNorm norm;
  VocabularyMatrix& matrix;
  Parameter bias;
  Activation activation;
  bool post;
};

struct Bert::Pooler : Block {
  explicit Pooler(const ModelOptions& o)
      : Block("pooler"), dense("pooler", o.hidden, o.hidden, o.init_std), pair("pair", o.hidden, 2, o.init_std) {
    dense.list(parameters_);
    pair.list(parameters_);
  }
  /// From the first position of each row of the whole stream: [b, 2].
  void forward(Pass& pass) override { pass.logits = pair(at::tanh(dense(pass.residual.select(0, 0)))); }
  AlikeLinear dense, pair;
};

Bert::Bert(const ModelOptions& options, const parallel::Grid& grid, bool sequence_parallel)
    : Model(options), tp_(grid.tp), device_(grid.device), sequence_parallel_(sequence_parallel && grid.tp.size() > 1) {
  embed_ = std::make_unique<Embed>(options_, tp_, sequence_parallel_);
  blocks_.push_back(embed_.get());
  for (int64_t i = 0; i < options_.layers; ++i) {
    layers_.push_back(std::make_unique<Layer>(i, options_, tp_, sequence_parallel_));
    blocks_.push_back(layers_.back().get());
  }
  head_ = std::make_unique<Head>(options_, tp_, sequence_parallel_, embed_->token);
  blocks_.push_back(head_.get());
  if (options_.pair_head) {
    pooler_ = std::make_unique<Pooler>(options_);
    blocks_.push_back(pooler_.get());
  }
  parameters_ = parameters_of(blocks_);
}

Bert::~Bert() = default;

Pass Bert::prepared(const data::Batch& batch, const Context& context) const {
  Pass pass = pass_of(batch, context, options_, sequence_parallel_);
  pass.causal = false;
  if (batch.has("segments")) pass.segments = batch["segments"].t().contiguous();
  return pass;
}

Pass Bert::run(const data::Batch& batch, const Context& context, const at::Tensor& predicted) {
  Pass pass = prepared(batch, context);
  pass.predicted = predicted;
  embed_->run(pass);
  for (const auto& layer : layers_) run_layer(*layer, pass, options_.recompute);
  head_->run(pass);
  return pass;
}

LossSum Bert::loss(const data::Batch& batch, const Context& context) {
  const Pass pass = run(batch, context, batch.has("predicted") ? batch["predicted"] : at::Tensor());
  auto targets = batch["targets"].t().reshape({-1});
  if (pass.predicted.defined()) targets = targets.index_select(0, pass.predicted);
  const VocabularySlice& slice = head_->matrix.slice();
  LossSum loss;
  loss.weight = targets.size(0);
  loss.tokens = batch["tokens"].numel();
  loss.sum = ops::cross_entropy(pass.logits, targets, {}, slice.begin, slice.valid, tp_);
  const bool pairs = pooler_ && batch.has("pair_labels");
  if (pairs) loss.terms.push_back({"mlm_loss", loss.sum.detach(), loss.weight, true});
  loss.terms.push_back({"mlm_accuracy", head_->matrix.hits(pass.logits, targets), loss.weight});
  if (pairs) add_pair_loss(batch, pass, loss);
  return loss;
}

std::map<std::string, at::Tensor> Bert::outputs(const data::Batch& batch) {
  const at::NoGradGuard no_gradients;
  Pass pass = run(batch, {}, {});
  const int64_t s = batch["tokens"].size(1), b = batch["tokens"].size(0);
  const auto flat = head_->matrix.gather(pass.logits);  // [s * b, v]
  const auto logits = flat.view({s, b, flat.size(1)}).transpose(0, 1).contiguous();
  if (!pooler_) return {{"logits", logits}};
  pooler_->run(pass);
  return {{"prediction_logits", logits}, {"seq_relationship_logits", pass.logits.to(at::kFloat)}};
}

void Bert::add_pair_loss(const data::Batch& batch, const Pass& whole, LossSum& loss) const {
  Pass pass;
  pass.residual = whole.residual;
  pooler_->run(pass);
  const at::Tensor& labels = batch["pair_labels"];
  const auto guess = pass.logits.detach().argmax(1);
  const auto sum = ops::cross_entropy(pass.logits, labels, {}, 0, 2, parallel::Group());
  const int64_t rows = labels.size(0);
  loss.terms.push_back({"pair_loss", sum.detach(), rows, true});
  loss.terms.push_back({"pair_accuracy", guess.eq(labels).sum(), rows});
  const double per_label = whole.context.targets_per_label;
  loss.sum =
      loss.sum + sum * (per_label > 0 ? per_label : static_cast<double>(loss.weight) / static_cast<double>(rows));
}

at::Tensor Bert::hidden(const data::Batch& batch) {
  const at::NoGradGuard no_gradients;
  Pass pass = prepared(batch, {});
  for (Block* block : blocks_) {
    if (block != head_.get() && block != pooler_.get()) block->run(pass);
  }
  at::Tensor x = options_.norm_place == NormPlace::kPost ? pass.residual : head_->last(pass);
  if (pass.sequence_parallel) x = parallel::gather_alike(x, tp_);
  return x.transpose(0, 1).to(at::kFloat).contiguous();
}

at::Tensor Bert::next_logits(const at::Tensor&, const std::vector<Cache*>&) { no_generation(); }

std::unique_ptr<Cache> Bert::make_cache(int64_t) { no_generation(); }

ModelCost Bert::cost(int64_t micro_batch, at::ScalarType dtype) const {
  return transformer_cost(options_, parameters_, tp_, {device_, dtype, sequence_parallel_, micro_batch, kMaskedShare});
}

}  // namespace bessemer::models
