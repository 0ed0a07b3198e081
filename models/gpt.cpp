#include "models/gpt.h"

#include <c10/core/GradMode.h>

#include "models/blocks/attention.h"
#include "models/blocks/mlp.h"
#include "models/blocks/norm.h"
#include "models/blocks/recompute.h"
#include "models/blocks/vocabulary.h"
#include "models/cost.h"
#include "models/ops/cross_entropy.h"
#include "models/ops/embedding.h"
#include "parallel/collectives.h"
#include "parallel/error.h"

namespace bessemer::models {

namespace {}  // namespace

struct Gpt::Embed : Block {
  Embed(const ModelOptions& o, const parallel::Group& group, bool partial)
      : Block("embed"), tp(group), token("embed.token.weight", o, group), dropout("embed", o.embedding_dropout) {
    parameters_.push_back(&token.weight());
    if (o.position == Position::kLearned) {
      position = whole("embed.position.weight", {o.sequence, o.hidden}, {Init::kNormal, o.init_std}, partial);
      parameters_.push_back(&position);
    }
  }
  void forward(Pass& pass) override {
    at::Tensor x = token.embed(pass);  // [s, b, h]
    if (position.value.defined()) {
      const int64_t ours = pass.sequence_parallel ? tp.rank() * x.size(0) : 0;
      x = pass.positions.defined() ? x + ops::embedding(pass.positions.narrow(0, ours, x.size(0)), position.value)
                                   : ops::add_positions(x, position.value, ours);
    }
    pass.residual = dropout(x, pass, tp);
  }
  parallel::Group tp;
  VocabularyMatrix token;
  Parameter position;
  DropoutSite dropout;
};

struct Gpt::Layer : Block {
  Layer(int64_t index, const ModelOptions& o, const parallel::Group& tp, bool partial)
      : Block("h." + std::to_string(index)), norm1(name() + ".norm1", o, partial),
        attention(name() + ".attention.", index, o, tp, partial), norm2(name() + ".norm2", o, partial),
        mlp(name() + ".mlp.", o, tp, partial) {
    norm1.list(parameters_);
    attention.list(parameters_);
    norm2.list(parameters_);
    mlp.list(parameters_);
  }
  void forward(Pass& pass) override {
    pass.branch = attention(norm1(pass), pass);
    pass.branch = mlp(norm2(pass), pass);
  }
  StreamNorm norm1;
  SelfAttention attention;
  StreamNorm norm2;
  Mlp mlp;
};

struct Gpt::Head : Block {
  Head(const ModelOptions& o, const parallel::Group& tp, bool partial, VocabularyMatrix& tied)
      : Block("head"), norm("norm", o, partial) {
    norm.list(parameters_);
    if (!o.tied) own = std::make_unique<VocabularyMatrix>("head.weight", o, tp);
    matrix = o.tied ? &tied : own.get();
    parameters_.push_back(&matrix->weight());
  }
  void forward(Pass& pass) override { pass.logits = matrix->logits(norm(pass), pass); }
  StreamNorm norm;
  std::unique_ptr<VocabularyMatrix> own;
  VocabularyMatrix* matrix;
};

Gpt::Gpt(const ModelOptions& options, const parallel::Grid& grid, bool sequence_parallel)
    : Model(options), tp_(grid.tp), device_(grid.device), sequence_parallel_(sequence_parallel && grid.tp.size() > 1) {
  embed_ = std::make_unique<Embed>(options_, tp_, sequence_parallel_);
  blocks_.push_back(embed_.get());
  for (int64_t i = 0; i < options_.layers; ++i) {
    layers_.push_back(std::make_unique<Layer>(i, options_, tp_, sequence_parallel_));
    blocks_.push_back(layers_.back().get());
  }
  head_ = std::make_unique<Head>(options_, tp_, sequence_parallel_, embed_->token);
  blocks_.push_back(head_.get());
  parameters_ = parameters_of(blocks_);
}

Gpt::~Gpt() = default;

Pass Gpt::prepared(const data::Batch& batch, const Context& context) const {
  Pass pass = pass_of(batch, context, options_, sequence_parallel_);
  const at::Tensor& tokens = batch["tokens"];
  const int64_t s = tokens.size(1), window = options_.window;
  if (window > 0 && s > window) {  // attention begins no earlier, in whatever document
    const at::Tensor first = (at::arange(s, tokens.options()) - (window - 1)).clamp_min(0).expand_as(tokens);
    pass.starts = pass.starts.defined() ? at::maximum(pass.starts, first) : first.contiguous();
  }
  return pass;
}

Pass Gpt::run(const data::Batch& batch, const Context& context) {
  Pass pass = prepared(batch, context);
  embed_->run(pass);
  for (const auto& layer : layers_) run_layer(*layer, pass, options_.recompute);
  head_->run(pass);
  return pass;
}

LossSum Gpt::loss(const data::Batch& batch, const Context& context) {
  const at::Tensor& tokens = batch["tokens"];
  const Pass pass = run(batch, context);
  const auto flat = [](const at::Tensor& x) { return x.t().reshape({-1}); };  // [b, s] -> [s * b]
  LossSum loss;
  at::Tensor mask;
  loss.weight = tokens.numel();
  if (batch.has("loss_mask")) {
    mask = flat(batch["loss_mask"]);
    loss.weight = mask.sum().item<int64_t>();
  }
  loss.tokens = loss.weight;
  const VocabularySlice& slice = head_->matrix->slice();
  loss.sum = ops::cross_entropy(pass.logits.view({-1, slice.rows}), flat(batch["targets"]), mask, slice.begin,
                                slice.valid, tp_);
  return loss;
}

std::map<std::string, at::Tensor> Gpt::outputs(const data::Batch& batch) {
  const c10::NoGradGuard no_gradients;
  const Pass pass = run(batch, {});
  const int64_t s = pass.logits.size(0), b = pass.logits.size(1);
  const at::Tensor flat = head_->matrix->gather(pass.logits.reshape({s * b, pass.logits.size(2)}));  // [s * b, v]
  return {{"logits", flat.view({s, b, flat.size(1)}).transpose(0, 1).contiguous()}};
}

at::Tensor Gpt::hidden(const data::Batch& batch) {
  const c10::NoGradGuard no_gradients;
  Pass pass = prepared(batch, {});
  for (Block* block : blocks_) {
    if (block != head_.get()) block->run(pass);
  }
  at::Tensor x = head_->norm(pass);
  if (pass.sequence_parallel) x = parallel::gather_alike(x, tp_);
  return x.transpose(0, 1).to(at::kFloat).contiguous();
}

at::Tensor Gpt::next_logits(const at::Tensor& tokens, const std::vector<Cache*>& caches) {
  const c10::NoGradGuard no_gradients;
  const int64_t n = tokens.size(1);
  BESSEMER_CHECK(n >= 1 && tokens.size(0) == static_cast<int64_t>(caches.size()), tokens.size(0), " rows of ", n,
                 " tokens for ", caches.size(), " caches; each row has a cache of its own");
  Pass pass;
  pass.tokens = tokens.t().contiguous();  // [n, b]
  std::vector<int64_t> lengths;
  for (Cache* cache : caches) {
    auto& kept = dynamic_cast<RowCache&>(*cache);
    BESSEMER_CHECK(kept.length + n <= kept.capacity, "a cache holds ", kept.length, " of ", kept.capacity, " tokens; ",
                   n, " more do not fit; make a larger cache");
    pass.caches.push_back(&kept);
    lengths.push_back(kept.length);
  }
  const auto first = at::tensor(lengths, at::kLong).to(tokens.device());  // [b]
  pass.positions = first.unsqueeze(0) + at::arange(n, tokens.options()).unsqueeze(1);
  embed_->run(pass);
  for (const auto& layer : layers_) layer->run(pass);
  pass.residual = pass.residual.narrow(0, n - 1, 1);
  pass.branch = pass.branch.narrow(0, n - 1, 1);
  head_->run(pass);  // [1, b, v / tp]
  for (RowCache* kept : pass.caches) kept->length += n;
  return head_->matrix->gather(pass.logits[0]);
}

ModelCost Gpt::cost(int64_t micro_batch, at::ScalarType dtype) const {
  return transformer_cost(options_, parameters_, tp_, {device_, dtype, sequence_parallel_, micro_batch});
}

std::unique_ptr<Cache> Gpt::make_cache(int64_t max_tokens) {
  BESSEMER_CHECK(max_tokens <= options_.sequence, "a cache of ", max_tokens,
                 " tokens is longer than the model's sequence ", options_.sequence, "; ask for at most that");
  auto cache = std::make_unique<RowCache>();
  cache->capacity = max_tokens;
  for (const auto& layer : layers_) cache->layers.push_back(layer->attention.make_cache(max_tokens));
  return cache;
}

}  // namespace bessemer::models
