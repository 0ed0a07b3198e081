#pragma once
#include <cstdint>

#include "trainer/options.h"

namespace bessemer::trainer {

/// The factor that lifts fp16 gradients above underflow: grows after good steps, backs off after overflows.
/// Source: Micikevicius et al. 2018, Mixed Precision Training; hysteresis as Megatron-LM, grad_scaler.py.
/// Every rank holds the same one and updates it with the overflow that all ranks agreed on.
class LossScale {
 public:
  struct State {
    double scale = 1.0;
    int64_t good_steps = 0;      ///< since the last change
    int64_t bad_steps_left = 1;  ///< overflows that are still forgiven before it backs off
    int64_t skipped = 0;         ///< steps without an update, over the whole run
    bool operator==(const State&) const = default;
  };

  LossScale() = default;  ///< 1 for ever: fp32 and bf16
  explicit LossScale(const LossScaleOptions& options);
  double scale() const { return state_.scale; }
  /// After a step. Errors: Error (77) where the scale is at its floor and still overflows.
  void update(bool overflow);
  const State& state() const { return state_; }
  void restore(const State& state) { state_ = state; }

 private:
  LossScaleOptions options_;
  bool dynamic_ = false;
  State state_;
};

}  // namespace bessemer::trainer
