#include "trainer/schedule.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

namespace bessemer::trainer {

OptimizerOptions options(ScheduleKind kind) {
  OptimizerOptions o;
  o.lr = 1e-3, o.min_lr = 1e-4, o.warmup = 100, o.schedule = kind;
  return o;
}

TEST(LearningRate, CosineIsNanoGptsGetLr) {
  const auto o = options(ScheduleKind::kCosine);
  for (int64_t it : {0, 1, 50, 99})
    EXPECT_DOUBLE_EQ(learning_rate(o, 2000, it), 1e-3 * static_cast<double>(it + 1) / 101);
  for (int64_t it : {100, 101, 1000, 1999, 2000}) {
    const double ratio = static_cast<double>(it - 100) / 1900;
    const double want = 1e-4 + 0.5 * (1 + std::cos(std::numbers::pi * ratio)) * (1e-3 - 1e-4);
    EXPECT_NEAR(learning_rate(o, 2000, it), want, 1e-15);
  }
  EXPECT_DOUBLE_EQ(learning_rate(o, 2000, 5000), 1e-4);
}

TEST(LearningRate, WarmupStableDecayHoldsThenFalls) {
  auto o = options(ScheduleKind::kWsd);
  o.warmup = 0, o.wsd_decay = 0.25;
  EXPECT_DOUBLE_EQ(learning_rate(o, 100, 0), 1e-3);
  EXPECT_DOUBLE_EQ(learning_rate(o, 100, 75), 1e-3);
  EXPECT_NEAR(learning_rate(o, 100, 88), 1e-3 - 9e-4 * 13 / 25, 1e-12);
  EXPECT_NEAR(learning_rate(o, 100, 100), 1e-4, 1e-15);
}

TEST(LearningRate, LinearAndConstant) {
  auto o = options(ScheduleKind::kLinear);
  EXPECT_NEAR(learning_rate(o, 300, 200), 5.5e-4, 1e-15);
  o.schedule = ScheduleKind::kConstant;
  EXPECT_DOUBLE_EQ(learning_rate(o, 300, 299), 1e-3);
}

TEST(LearningRate, WarmupAsLongAsTheRunIsNoDivisionByZero) {
  const auto o = options(ScheduleKind::kCosine);
  EXPECT_NEAR(learning_rate(o, 100, 100), 1e-4, 1e-15);
}

}  // namespace bessemer::trainer
