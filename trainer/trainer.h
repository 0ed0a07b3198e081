#pragma once
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "data/batch.h"
#include "models/model.h"
#include "parallel/grid.h"
#include "parallel/options.h"
#include "trainer/flat_state.h"
#include "trainer/gradients.h"
#include "trainer/loss_scale.h"
#include "trainer/options.h"

namespace bessemer::trainer {

struct TrainerOptions {
  uint64_t seed = 0;
  TrainOptions train;
  OptimizerOptions optimizer;
  LossScaleOptions loss_scale;
  parallel::ParallelOptions parallel;
};

/// How a global batch is cut: global_batch = shards x accumulation x micro_batch, shards = virtual_dp or dp.
struct BatchPlan {
  int64_t shards = 1;        ///< virtual shards over all ranks
  int64_t local_shards = 1;  ///< of one rank
  int64_t accumulation = 1;  ///< micro-steps of one shard
  int64_t micro_batch = 1;
  int64_t micro_steps() const { return local_shards * accumulation; }  ///< of one rank
};
/// Errors: Error (64) in words where it does not come out even, in a stage of the ramp-up neither.
BatchPlan plan_batch(const TrainOptions& train, int64_t virtual_dp, int64_t dp);
/// Of a step with a global batch of `batch`, which a ramp-up has made smaller.
BatchPlan plan_of(const BatchPlan& full, int64_t batch);
/// The global batch of each step.
data::Ramp batch_of(const TrainOptions& train);

/// Milliseconds of one step on this rank; `communication` is what backward could not hide.
struct StepTimes {
  double data = 0, forward = 0, backward = 0, communication = 0, optimizer = 0, total = 0;
};

/// What each rank has to tell all others; added up in the one collective that a step makes anyway.
struct Votes {
  int64_t stop = 0;      ///< 1: asks to stop after this step
  int64_t save = 0;      ///< 1: a checkpoint is due
  int64_t finished = 0;  ///< 1, 1 in `failed`: how far our part of a checkpoint is (CheckpointSaver::Votes)
  int64_t failed = 0;
};

/// What a step gives, the same on every rank (but the times).
struct StepResult {
  int64_t step = 0;  ///< steps done, this one included
  double loss = 0;   ///< mean over the global batch's counted tokens
  double lr = 0;
  double grad_norm = 0;  ///< before clipping
  double loss_scale = 1;
  int64_t tokens = 0;                                 ///< read so far in the run
  std::vector<std::pair<std::string, double>> terms;  ///< what the model tells besides: means over the global batch
  bool skipped = false;                               ///< overflow: no update
  Votes votes;                                        ///< of all ranks
  StepTimes times;
};

/// Of a validation set: means over all ranks.
struct Evaluation {
  double loss = 0;
  double token_loss = 0;  ///< of the tokens alone, what perplexity is made of: the loss, or the first of its parts
  std::vector<std::pair<std::string, double>> terms;
};

/// Gives the next micro-batch of this rank.
using NextBatch = std::function<data::Batch()>;

/// One model on its way: step after step, evaluation in between. Everything but the reading and writing of files.
/// Collective: every rank of the grid makes one and calls it in the same order.
class Trainer {
 public:
  Trainer(models::Model& model, const TrainerOptions& options, const parallel::Grid& grid);

  /// One optimizer update from micro_steps() micro-batches.
  /// Errors: Error (77) where the loss or a gradient of an fp32 or bf16 run is not finite, naming where; the weights
  /// are then as before the step.
  StepResult step(const NextBatch& next, const Votes& votes = {});

  /// Mean loss over `batches` micro-batches of each rank, dropout off.
  Evaluation evaluate(const NextBatch& next, int64_t batches);

  /// What a resume needs besides the tensors; the loader's place is `step`.
  struct Counters {
    int64_t step = 0;
    int64_t updates = 0;  ///< Adam's t: skipped steps do not advance it
    int64_t tokens = 0;
    LossScale::State loss_scale;
  };
  const Counters counters() const;
  void restore(const Counters& counters);  ///< after flat() was filled; publishes the weights

  FlatState& flat() { return flat_; }
  const BatchPlan& plan() const { return plan_; }
  models::Model& model() const { return model_; }
  const parallel::Grid& grid() const { return grid_; }
  const TrainerOptions& options() const { return options_; }

 private:
  struct Totals;
  void forward_backward(const NextBatch& next, const BatchPlan& plan, Totals& totals, StepTimes& times);
  /// Of all ranks. Collective.
  double targets_of_step(const std::deque<data::Batch>& batches) const;
  void sum_over_ranks(Totals& totals) const;
  void update(double factor, double lr);
  [[noreturn]] void refuse_non_finite(const Totals& totals) const;

  models::Model& model_;
  TrainerOptions options_;
  parallel::Grid grid_;
  BatchPlan plan_;
  FlatState flat_;
  Gradients gradients_;
  LossScale loss_scale_;
  int64_t step_ = 0, updates_ = 0, tokens_ = 0;
};

}  // namespace bessemer::trainer
