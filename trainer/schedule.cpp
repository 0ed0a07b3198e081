#include "trainer/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace bessemer::trainer {
namespace {

/// How much of the way from lr to min_lr is gone, for progress x in [0, 1] from the end of warm-up to decay_steps.
double decayed(const OptimizerOptions& options, double x) {
  switch (options.schedule) {
    case ScheduleKind::kCosine: return 0.5 * (1.0 - std::cos(std::numbers::pi * x));
    case ScheduleKind::kLinear: return x;
    case ScheduleKind::kWsd:
      return options.wsd_decay > 0 ? std::max(0.0, (x - (1.0 - options.wsd_decay)) / options.wsd_decay) : 0.0;
    case ScheduleKind::kConstant: return 0.0;
  }
  return 0.0;
}

}  // namespace

double learning_rate(const OptimizerOptions& options, int64_t steps, int64_t step) {
  const double warmup = static_cast<double>(options.warmup);
  if (step < options.warmup) return options.lr * static_cast<double>(step + 1) / (warmup + 1.0);
  const double end = static_cast<double>(options.decay_steps > 0 ? options.decay_steps : steps);
  const double x = end > warmup ? std::min(1.0, (static_cast<double>(step) - warmup) / (end - warmup)) : 1.0;
  return options.lr + (options.min_lr - options.lr) * decayed(options, x);
}

}  // namespace bessemer::trainer
