#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "data/ramp.h"

namespace bessemer::trainer {

enum class Precision { kFp32, kBf16, kFp16 };
enum class OnCorrupt { kPrevious, kStop };
enum class OptimizerKind { kAdamW, kLamb };
enum class ScheduleKind { kCosine, kLinear, kWsd, kConstant };

/// [run]: where a run lives and how it starts.
struct RunOptions {
  std::string dir = "runs/default";
  uint64_t seed = 1337;
  std::string resume =
      "auto";  ///< auto: the newest complete checkpoint, if any; none: refuse where one exists; or a checkpoint's path
  std::string init_from;  ///< a new run's first weights: a checkpoint's or a run's path; "" for those of the seed
  OnCorrupt on_corrupt = OnCorrupt::kPrevious;  ///< the newest checkpoint does not verify: take the one before, or end
};

/// [train]: how long and how much.
struct TrainOptions {
  int64_t steps = 1000;
  int64_t tokens = 0;                      ///< stop after so many tokens; 0 = no limit
  double epochs = 0;                       ///< likewise, passes over the data
  double wall_time = 0;                    ///< likewise, seconds of this process (exit 75)
  int64_t global_batch = 12;               ///< sequences per step over all ranks
  std::vector<data::Stage> sequence_ramp;  ///< shorter sequences to begin with, by stages; each row is cut into such
  std::vector<data::Stage> batch_ramp;     ///< global batches to begin with, by stages
  int64_t micro_batch = 0;                 ///< sequences per forward on one rank; 0 = global_batch / dp
  Precision precision = Precision::kFp32;
  int64_t eval_every = 250;   ///< steps; 0 = never
  int64_t eval_batches = 20;  ///< global batches per evaluation
};

/// [optimizer]: AdamW (Loshchilov and Hutter 2019) or LAMB (You et al. 2020), and its learning rate.
struct OptimizerOptions {
  OptimizerKind kind = OptimizerKind::kAdamW;
  double lr = 1e-3;  ///< peak, before the schedule
  double min_lr = 1e-4;
  double beta1 = 0.9;
  double beta2 = 0.95;
  double eps = 1e-8;
  double weight_decay = 0.1;  ///< matrices only, not vectors
  double clip = 1.0;          ///< global gradient norm; 0 = off
  ScheduleKind schedule = ScheduleKind::kCosine;
  int64_t warmup = 0;       ///< steps of linear warm-up
  int64_t decay_steps = 0;  ///< step at which min_lr is reached; 0 = train.steps
  double wsd_decay = 0.2;   ///< wsd: share of decay_steps in the final decay
};

/// [loss_scale]: dynamic, fp16 only.
struct LossScaleOptions {
  double initial = 65536.0;
  double growth = 2.0;
  double backoff = 0.5;
  int64_t growth_every = 1000;  ///< good steps before the scale grows
  int64_t hysteresis = 1;       ///< bad steps before it backs off
  double floor = 1.0;           ///< an overflow at this scale stops the run (exit 77)
};

/// [checkpoint]
struct CheckpointOptions {
  int64_t every = 500;       ///< steps; 0 = only at the end
  double interval = 0;       ///< besides, seconds of training; 0 = not by time
  int64_t keep = 3;          ///< newest kept, the best by validation loss besides
  int64_t keep_every = 0;    ///< checkpoints of steps that this divides stay for good; 0 = none
  bool asynchronous = true;  ///< write while training goes on, from a copy of 12 / dp bytes per parameter
  bool read_back = true;     ///< read what was written before it counts
};

/// [log]
struct LogOptions {
  int64_t every = 10;  ///< steps between progress lines in a log (metrics.jsonl has every step)
  bool tensorboard = true;
};

}  // namespace bessemer::trainer
