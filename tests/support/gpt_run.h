#pragma once
#include <ATen/ATen.h>

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "data/objective.h"
#include "models/model.h"
#include "models/presets.h"
#include "tests/support/thread_world.h"
#include "trainer/trainer.h"

namespace bessemer::tests {

/// How a job of threads is laid out.
struct GptLayout {
  int ranks = 1;
  int tp = 1;
  bool zero = false;
  bool sequence_parallel = false;
  std::string name() const {
    return "dp " + std::to_string(ranks / tp) + " x tp " + std::to_string(tp) + (zero ? ", ZeRO-1" : "") +
           (sequence_parallel ? ", sequence parallel" : "");
  }
};

/// Two layers, biases, learned positions, tied output, an odd vocabulary; dropout everywhere.
inline models::ModelOptions gpt2_like() {
  models::ModelOptions o;
  o.layers = 2, o.hidden = 48, o.heads = 4, o.sequence = 16, o.vocab = 61;
  o.bias = true, o.activation = models::Activation::kGeluTanh, o.dropout = 0.1;
  return models::resolve(o);
}

/// Two layers, rotary positions, RMSNorm, SwiGLU, two query heads for each key-value head, untied output, no dropout.
inline models::ModelOptions llama_like() {
  models::ModelOptions o;
  o.layers = 2, o.hidden = 64, o.heads = 8, o.kv_heads = 4, o.ffn = 88, o.sequence = 12, o.vocab = 131;
  o.position = models::Position::kRotary, o.norm = models::Norm::kRmsNorm, o.activation = models::Activation::kSwiglu,
  o.tied = false;
  return models::resolve(o);
}

/// Post-norm, every position sees all, dropout everywhere.
inline models::ModelOptions bert_like() {
  models::ModelOptions o = gpt2_like();
  o.family = models::Family::kBert, o.activation = models::Activation::kGelu, o.sequence = 24;
  o.norm_place = models::NormPlace::kFamily;
  return models::resolve(o);
}

/// The same with a head for sentence pairs.
inline models::ModelOptions bert_with_pairs() {
  models::ModelOptions o = bert_like();
  o.pair_head = true;
  return models::resolve(o);
}

/// Rows of different lengths, of which the first half is the first segment; whether the second follows it shows in the
/// token behind it.
inline void make_pairs(data::Rows& rows) {
  const auto s = static_cast<std::size_t>(rows.sequence);
  for (std::size_t r = 0; r < rows.rows.size(); ++r) {
    const std::size_t length = s - static_cast<std::size_t>(rows.rows[r] % 5) * s / 8;
    rows.pair_labels.push_back(rows.tokens[r * (s + 1)] % 2);
    for (std::size_t i = 0; i < s; ++i) {
      rows.counted.push_back(i < length);
      rows.segments.push_back(i >= length / 2 && i < length);
    }
  }
}

/// Masks a quarter of the tokens; the last id is the mask.
inline data::Batch masked_rows(const models::ModelOptions& o, int64_t first_row, const at::Tensor& all) {
  const auto vocab = static_cast<std::size_t>(o.vocab);
  data::Objective objective;
  objective.kind = data::ObjectiveKind::kMasked, objective.seed = 3;
  objective.masking = {0.25, data::MaskUnit::kToken, {o.vocab, o.vocab - 1, {}, {}}};
  objective.masking.vocabulary.special.resize(vocab), objective.masking.vocabulary.continues.resize(vocab);
  data::Rows rows;
  rows.sequence = o.sequence;
  const auto few = all.remainder(7);  // the first thing to learn: most ids never come
  rows.tokens.assign(few.data_ptr<int64_t>(), few.data_ptr<int64_t>() + few.numel());
  for (int64_t r = 0; r < all.size(0); ++r) rows.rows.push_back(first_row + r);
  if (o.pair_head) make_pairs(rows);
  return data::make_batch(rows, objective, at::kCPU);
}

/// Rows that a model can learn something from: a token follows from the one before it and a little chance. Row k of the
/// run is a function of k, as the loader's rows are.
inline data::Batch gpt_batch(const models::ModelOptions& o, int64_t first_row, int64_t rows) {
  const auto all = at::empty({rows, o.sequence + 1}, at::kLong);
  auto* out = all.data_ptr<int64_t>();
  for (int64_t r = 0; r < rows; ++r) {
    uint64_t x = static_cast<uint64_t>(first_row + r) * 2654435761u + 12345;
    int64_t token = 0;
    for (int64_t i = 0; i <= o.sequence; ++i) {
      x = x * 6364136223846793005u + 1442695040888963407u;
      token = (token * 3 + static_cast<int64_t>((x >> 33) % 5)) % o.vocab;
      out[r * (o.sequence + 1) + i] = token;
    }
  }
  if (o.family == models::Family::kBert) return masked_rows(o, first_row, all);
  data::Batch batch;
  batch.first_row = first_row;
  batch.tensors["tokens"] = all.narrow(1, 0, o.sequence).contiguous();
  batch.tensors["targets"] = all.narrow(1, 1, o.sequence).contiguous();
  return batch;
}

/// The rows of one step after the other, of this rank.
class GptRows {
 public:
  GptRows(const trainer::Trainer& trainer, int64_t first_step = 0)
      : trainer_(trainer), micro_(first_step * trainer.plan().micro_steps()) {}
  data::Batch next() {
    const auto& plan = trainer_.plan();
    const int64_t step = micro_ / plan.micro_steps(), micro_step = micro_ % plan.micro_steps();
    ++micro_;
    const int64_t mine = trainer_.grid().dp.rank() * plan.micro_steps() + micro_step;
    return gpt_batch(trainer_.model().options(), step * trainer_.options().train.global_batch + mine * plan.micro_batch,
                     plan.micro_batch);
  }

 private:
  const trainer::Trainer& trainer_;
  int64_t micro_;
};

/// What a training gives: of every step, and the fp32 weights by canonical name (of what tp rank 0 holds).
struct GptHistory {
  std::vector<double> losses, norms;
  std::map<std::string, at::Tensor> weights;
};

inline trainer::TrainerOptions gpt_training(int64_t global_batch = 8) {
  trainer::TrainerOptions options;
  options.seed = 5;
  options.train.global_batch = global_batch, options.train.steps = 20;
  options.optimizer.lr = 1e-3;
  options.parallel.bucket_mb = 1;
  return options;
}

/// Trains `steps` steps on ranks that are threads; what rank 0 saw.
inline GptHistory train_gpt(const models::ModelOptions& shape, trainer::TrainerOptions options, const GptLayout& layout,
                            int64_t steps) {
  GptHistory history;
  options.parallel.tp = layout.tp, options.parallel.zero = layout.zero,
  options.parallel.sequence_parallel = layout.sequence_parallel;
  run_ranks(
      layout.ranks,
      [&](const parallel::Grid& grid) {
        const auto model = models::make_model(shape, grid, layout.sequence_parallel);
        trainer::Trainer trainer(*model, options, grid);
        GptRows rows(trainer);
        for (int64_t t = 0; t < steps; ++t) {
          const auto result = trainer.step([&] { return rows.next(); });
          if (grid.rank != 0) continue;
          history.losses.push_back(result.loss);
          history.norms.push_back(result.grad_norm);
        }
        if (grid.rank != 0) return;
        for (const auto* p : model->parameters()) history.weights[p->name] = p->value.detach().to(at::kFloat).clone();
      },
      layout.tp);
  return history;
}

}  // namespace bessemer::tests
