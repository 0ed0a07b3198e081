#include "trainer/loss_scale.h"

#include <gtest/gtest.h>

#include "parallel/error.h"

namespace bessemer::trainer {

TEST(LossScale, IsOneForEverUnlessDynamic) {
  LossScale scale;
  scale.update(true);
  EXPECT_EQ(scale.scale(), 1.0);
}

TEST(LossScale, GrowsAfterGoodStepsAndBacksOffAfterHysteresis) {
  LossScaleOptions options;
  options.initial = 8, options.growth_every = 3, options.hysteresis = 2;
  LossScale scale(options);
  for (int i = 0; i < 3; ++i) scale.update(false);
  EXPECT_EQ(scale.scale(), 16);
  scale.update(true);  // forgiven
  EXPECT_EQ(scale.scale(), 16);
  scale.update(true);
  EXPECT_EQ(scale.scale(), 8);
  EXPECT_EQ(scale.state().skipped, 2);
}

TEST(LossScale, AnOverflowAtTheFloorStopsTheRunWithADiagnosis) {
  LossScaleOptions options;
  options.initial = 2;
  LossScale scale(options);
  scale.update(true);
  EXPECT_EQ(scale.scale(), 1);
  try {
    scale.update(true);
    FAIL() << "it went on";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kLossPolicy);
    EXPECT_NE(std::string(error.what()).find("floor"), std::string::npos);
  }
}

TEST(LossScale, ComesBackFromItsState) {
  LossScaleOptions options;
  options.growth_every = 5;
  LossScale a(options), b(options);
  for (bool overflow : {false, true, false, false}) a.update(overflow);
  b.restore(a.state());
  for (int i = 0; i < 9; ++i) a.update(false), b.update(false);
  EXPECT_EQ(a.state(), b.state());
}

}  // namespace bessemer::trainer
