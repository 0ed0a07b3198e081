// The same training on every layout: a model that is split, or a batch that is shared, changes no loss.
#include <gtest/gtest.h>

#include <bit>
#include <cstdio>
#include <limits>

#include "tests/support/gpt_run.h"

namespace bessemer::trainer {
namespace {

using tests::gpt_training;
using tests::GptHistory;
using tests::GptLayout;
using tests::train_gpt;

double greatest(const std::vector<double>& a, const std::vector<double>& b, std::size_t steps) {
  double worst = 0;
  for (std::size_t i = 0; i < steps; ++i) worst = std::max(worst, std::abs(a[i] / b[i] - 1));
  return worst;
}

/// fp32 sums in another order: 1e-6 at the first step, 1e-5 over 20 steps (Adam magnifies what rounds tiny gradients).
void expect_agrees(const char* shape, const GptLayout& layout, const GptHistory& many, const GptHistory& one) {
  ASSERT_EQ(many.losses.size(), one.losses.size());
  const double first_loss = greatest(many.losses, one.losses, 1),
               loss = greatest(many.losses, one.losses, one.losses.size());
  const double first_norm = greatest(many.norms, one.norms, 1),
               norm = greatest(many.norms, one.norms, one.norms.size());
  std::printf("%-10s %-40s step 1: loss %.1e, norm %.1e; 20 steps: loss %.1e, norm %.1e\n", shape,
              layout.name().c_str(), first_loss, first_norm, loss, norm);
  EXPECT_LT(first_loss, 1e-6) << shape << ": " << layout.name();
  EXPECT_LT(first_norm, 1e-6) << shape << ": " << layout.name();
  EXPECT_LT(loss, 1e-5) << shape << ": " << layout.name();
  EXPECT_LT(norm, 1e-5) << shape << ": " << layout.name();
}

void expect_every_layout_agrees(const char* name, const models::ModelOptions& shape,
                                TrainerOptions options = gpt_training()) {
  const auto one = train_gpt(shape, options, {}, 20);
  ASSERT_EQ(one.losses.size(), 20u);
  EXPECT_LT(one.losses.back(), one.losses.front() - 0.1) << name << " learns nothing: the comparison would be of noise";
  for (const auto& [ranks, tp] : std::vector<std::pair<int, int>>{{2, 1}, {2, 2}, {4, 2}, {4, 4}, {4, 1}}) {
    for (const bool zero : {false, true}) {
      for (const bool sequence_parallel : {false, true}) {
        if ((zero && ranks == tp) || (sequence_parallel && tp == 1)) continue;  // nothing to split
        const GptLayout layout{ranks, tp, zero, sequence_parallel};
        expect_agrees(name, layout, train_gpt(shape, options, layout, 20), one);
      }
    }
  }
}

TEST(Layouts, Gpt2WithBiasesAndDropoutTrainsAlike) { expect_every_layout_agrees("gpt2", tests::gpt2_like()); }

TEST(Layouts, LlamaWithGroupedQueriesTrainsAlike) { expect_every_layout_agrees("llama", tests::llama_like()); }

TEST(Layouts, BertTrainsAlike) {
  auto options = gpt_training();
  options.optimizer.lr = 3e-3;
  expect_every_layout_agrees("bert", tests::bert_like(), options);
}

TEST(Layouts, BertWithSentencePairsTrainsAlike) {
  auto options = gpt_training(16);  // micro-batches of several counts of masked tokens: each loss has its own mean
  options.train.micro_batch = 2, options.optimizer.lr = 3e-3;
  expect_every_layout_agrees("pairs", tests::bert_with_pairs(), options);
}

TEST(Layouts, MicroBatchesOfSentencePairsTrainLikeOneBatch) {
  auto options = gpt_training(16);
  const auto whole = train_gpt(tests::bert_with_pairs(), options, {}, 20);
  options.train.micro_batch = 1;
  expect_agrees("pairs", {}, train_gpt(tests::bert_with_pairs(), options, {}, 20), whole);
}

TEST(Layouts, AccumulationAndClippingTrainAlike) {
  auto options = gpt_training(16);
  options.train.micro_batch = 2, options.optimizer.clip = 0.2, options.optimizer.warmup = 3;
  auto shape = tests::gpt2_like();
  shape.activation = models::Activation::kRelu2, shape.norm = models::Norm::kRmsNorm, shape.tied = false,
  shape.vocab = 7;
  expect_every_layout_agrees("relu2", shape, options);
}

/// A norm that is not a number is one: an overflow of fp16 that both met.
std::vector<uint64_t> bits(const std::vector<double>& values) {
  std::vector<uint64_t> out;
  for (const double v : values)
    out.push_back(std::bit_cast<uint64_t>(std::isnan(v) ? std::numeric_limits<double>::quiet_NaN() : v));
  return out;
}

void expect_same_bits(const GptHistory& a, const GptHistory& b, const std::string& what) {
  EXPECT_EQ(bits(a.losses), bits(b.losses)) << what;
  EXPECT_EQ(bits(a.norms), bits(b.norms)) << what;
  ASSERT_EQ(a.weights.size(), b.weights.size());
  for (const auto& [name, weight] : a.weights)
    EXPECT_TRUE(at::equal(weight, b.weights.at(name))) << what << ": " << name;
}

TEST(Layouts, VirtualShardsGiveTheSameBitsOnOneTwoAndFourRanks) {
  for (const auto& shape : {tests::gpt2_like(), tests::llama_like(), tests::bert_like(), tests::bert_with_pairs()}) {
    auto options = gpt_training(16);
    options.parallel.virtual_dp = 4, options.train.micro_batch = 2;
    for (const int tp : {1, 2}) {
      const auto one = train_gpt(shape, options, {tp, tp}, 10);
      for (const int dp : {2, 4}) {
        for (const bool zero : {false, true}) {
          const GptLayout layout{dp * tp, tp, zero};
          expect_same_bits(train_gpt(shape, options, layout, 10), one, layout.name());
        }
      }
    }
  }
}

TEST(Layouts, VirtualShardsGiveTheSameBitsInHalfPrecision) {
  auto options = gpt_training(8);
  options.parallel.virtual_dp = 4;
  for (const auto precision : {Precision::kBf16, Precision::kFp16}) {
    options.train.precision = precision, options.loss_scale.initial = 1 << 24,
    options.loss_scale.growth_every = 4;  // overflows at first
    const auto one = train_gpt(tests::gpt2_like(), options, {}, 10);
    for (const int dp : {2, 4})
      expect_same_bits(train_gpt(tests::gpt2_like(), options, {dp, 1, true}, 10), one, "dp " + std::to_string(dp));
  }
}

TEST(Layouts, LambTrainsAlike) {
  auto options = gpt_training();
  options.optimizer.kind = OptimizerKind::kLamb, options.optimizer.lr = 0.02, options.optimizer.eps = 1e-6;
  auto gpt2 = tests::gpt2_like();
  gpt2.init_std = 0.1;  // matrices move in proportion to their norm: from 0.02 twenty steps lead nowhere
  expect_every_layout_agrees("gpt2, lamb", gpt2, options);
  expect_every_layout_agrees("llama, lamb", tests::llama_like(), options);
  expect_every_layout_agrees("bert, lamb", tests::bert_like(), options);
}

TEST(Layouts, VirtualShardsGiveTheSameBitsUnderLamb) {
  auto options = gpt_training(16);
  options.optimizer.kind = OptimizerKind::kLamb, options.optimizer.lr = 0.01;
  options.parallel.virtual_dp = 4, options.train.micro_batch = 2;
  for (const auto precision : {Precision::kFp32, Precision::kBf16}) {
    options.train.precision = precision;
    const auto one = train_gpt(tests::llama_like(), options, {}, 10);
    for (const int dp : {2, 4}) {
      for (const bool zero : {false, true})
        expect_same_bits(train_gpt(tests::llama_like(), options, {dp, 1, zero}, 10), one, "dp " + std::to_string(dp));
    }
  }
}

TEST(Layouts, RecomputedLayersGiveTheSameBits) {
  auto options = gpt_training(16);
  options.train.micro_batch = 2;
  for (auto shape : {tests::gpt2_like(), tests::llama_like(), tests::bert_like()}) {
    for (const auto precision : {Precision::kFp32, Precision::kBf16}) {
      for (const GptLayout& layout : std::vector<GptLayout>{{1, 1}, {4, 2, true, true}, {2, 2}}) {
        options.train.precision = precision, options.parallel.virtual_dp = layout.ranks / layout.tp * 2;
        shape.recompute = models::Recompute::kNone;
        const auto kept = train_gpt(shape, options, layout, 5);
        shape.recompute = models::Recompute::kFull;
        expect_same_bits(train_gpt(shape, options, layout, 5), kept, layout.name());
      }
    }
  }
}

TEST(Layouts, ARunRepeatedGivesTheSameBits) {
  const GptLayout layout{4, 2, true, true};
  expect_same_bits(train_gpt(tests::gpt2_like(), gpt_training(), layout, 5),
                   train_gpt(tests::gpt2_like(), gpt_training(), layout, 5), layout.name());
}

}  // namespace
}  // namespace bessemer::trainer
