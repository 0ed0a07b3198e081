// 16-bit training follows fp32 more closely than one seed follows another.
#include <gtest/gtest.h>

#include <cstdio>
#include <numeric>

#include "tests/support/gpt_run.h"

namespace bessemer::trainer {
namespace {

constexpr int64_t kSteps = 120, kWindow = 20;

/// Losses of a training, each the mean of a window of steps.
std::vector<double> curve(Precision precision, uint64_t seed, const tests::GptLayout& layout = {}) {
  auto options = tests::gpt_training(8);
  options.seed = seed, options.train.steps = kSteps, options.train.precision = precision;
  options.optimizer.lr = 3e-3, options.optimizer.warmup = 10;
  const auto losses = tests::train_gpt(tests::gpt2_like(), options, layout, kSteps).losses;
  std::vector<double> means;
  for (auto at = losses.begin(); at != losses.end(); at += kWindow)
    means.push_back(std::accumulate(at, at + kWindow, 0.0) / kWindow);
  return means;
}

double greatest(const std::vector<double>& a, const std::vector<double>& b) {
  double worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i) worst = std::max(worst, std::abs(a[i] - b[i]));
  return worst;
}

TEST(Precision, SixteenBitsFollowFp32MoreCloselyThanAnotherSeed) {
  const auto fp32 = curve(Precision::kFp32, 5), other = curve(Precision::kFp32, 6);
  ASSERT_LT(fp32.back(), fp32.front() - 1.0) << "nothing was learned";
  const double seeds = greatest(other, fp32);
  const tests::GptLayout split{4, 2, true, true};
  for (const auto& [name, precision] : {std::pair{"bf16", Precision::kBf16}, {"fp16", Precision::kFp16}}) {
    const double alone = greatest(curve(precision, 5), fp32), many = greatest(curve(precision, 5, split), fp32);
    std::printf("%s: %.5f from fp32, on dp 2 x tp 2 %.5f; two seeds: %.5f (loss %.3f to %.3f)\n", name, alone, many,
                seeds, fp32.front(), fp32.back());
    EXPECT_LT(alone, seeds) << name;
    EXPECT_LT(many, seeds) << name;
    EXPECT_GT(alone, 0) << name << " gives fp32's losses: it was not used";
  }
}

}  // namespace
}  // namespace bessemer::trainer
