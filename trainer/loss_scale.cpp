#include "trainer/loss_scale.h"

#include <algorithm>

#include "parallel/error.h"

namespace bessemer::trainer {

LossScale::LossScale(const LossScaleOptions& options) : options_(options), dynamic_(true) {
  state_.scale = options.initial;
  state_.bad_steps_left = options.hysteresis;
}

void LossScale::update(bool overflow) {
  if (!dynamic_) return;
  if (!overflow) {
    if (++state_.good_steps < options_.growth_every) return;
    state_.scale = std::min(state_.scale * options_.growth, 16777216.0);  // 2^24: beyond it nothing is gained
    state_.good_steps = 0;
    state_.bad_steps_left = options_.hysteresis;
    return;
  }
  ++state_.skipped;
  state_.good_steps = 0;
  if (state_.scale <= options_.floor) {
    fail(ExitCode::kLossPolicy, "gradients overflow fp16 although the loss scale is at its floor of ", options_.floor,
         " (", state_.skipped,
         " steps skipped so far): the run diverges or a weight is not finite; lower optimizer.lr, "
         "lengthen optimizer.warmup, or train with train.precision = bf16");
  }
  if (--state_.bad_steps_left > 0) return;
  state_.scale = std::max(state_.scale * options_.backoff, options_.floor);
  state_.bad_steps_left = options_.hysteresis;
}

}  // namespace bessemer::trainer
