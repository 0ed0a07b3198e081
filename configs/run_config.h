#pragma once
#include "data/options.h"
#include "models/options.h"
#include "parallel/options.h"
#include "trainer/options.h"

namespace bessemer::configs {

/// A run, complete: the sum of the parts' own options. `visit` (run_config.cpp) names each field once.
struct RunConfig {
  trainer::RunOptions run;
  data::DataOptions data;
  models::ModelOptions model;
  parallel::ParallelOptions parallel;
  trainer::TrainOptions train;
  trainer::OptimizerOptions optimizer;
  trainer::LossScaleOptions loss_scale;
  trainer::CheckpointOptions checkpoint;
  trainer::LogOptions log;
};

}  // namespace bessemer::configs
