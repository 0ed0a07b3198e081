#pragma once
#include <cstdint>

#include "trainer/options.h"

namespace bessemer::trainer {

/// Learning rate of `step` (from 0): linear warm-up to `lr` over `warmup` steps, lr (step + 1) / (warmup + 1), then
///   cosine    down to min_lr at `decay_steps`, min_lr after it (nanoGPT's get_lr);
///   linear    likewise along a line;
///   wsd       lr until the last `wsd_decay` share of decay_steps, then a line to min_lr (Hu et al. 2024, MiniCPM);
///   constant  lr.
/// \param steps  decay_steps where that is 0.
double learning_rate(const OptimizerOptions& options, int64_t steps, int64_t step);

}  // namespace bessemer::trainer
