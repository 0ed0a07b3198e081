#include "trainer/trainer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <mutex>

#include "parallel/error.h"
#include "tests/support/thread_world.h"
#include "tests/support/toy_model.h"

namespace bessemer::trainer {
namespace {

using tests::run_ranks;
using tests::toy_batch;
using tests::ToyModel;

TrainerOptions toy_options(int64_t global_batch = 8) {
  TrainerOptions options;
  options.seed = 5;
  options.train.global_batch = global_batch, options.train.steps = 20;
  options.optimizer.lr = 1e-2, options.optimizer.warmup = 2;
  options.parallel.bucket_mb = 1;
  return options;
}

/// What a run of the toy model gives: every loss and norm, and the final weights.
struct History {
  std::vector<double> losses, norms;
  at::Tensor weights;
};

History train_toy(const TrainerOptions& options, const parallel::Grid& grid, int steps = 5) {
  ToyModel model;
  Trainer trainer(model, options, grid);
  const auto& plan = trainer.plan();
  History history;
  for (int64_t t = 0; t < steps; ++t) {
    int64_t row = t * options.train.global_batch + grid.dp.rank() * plan.micro_steps() * plan.micro_batch;
    const auto result = trainer.step([&] {
      row += plan.micro_batch;
      return toy_batch(row - plan.micro_batch, plan.micro_batch);
    });
    history.losses.push_back(result.loss);
    history.norms.push_back(result.grad_norm);
  }
  std::vector<at::Tensor> weights;
  for (auto* p : model.parameters()) weights.push_back(p->value.detach().reshape({-1}).to(at::kFloat).clone());
  history.weights = at::cat(weights);
  return history;
}

History on_ranks(const TrainerOptions& options, int ranks) {
  History first;
  std::mutex mutex;
  run_ranks(ranks, [&](const parallel::Grid& grid) {
    auto history = train_toy(options, grid);
    const std::lock_guard lock(mutex);
    if (grid.rank == 0) first = history;
  });
  return first;
}

void expect_same_bits(const History& a, const History& b) {
  EXPECT_EQ(a.losses, b.losses);
  EXPECT_EQ(a.norms, b.norms);
  EXPECT_TRUE(at::equal(a.weights, b.weights));
}

TEST(Trainer, OneStepIsAdamOnTheGradientOfTheMeanLoss) {
  ToyModel model;
  auto options = toy_options(4);
  options.optimizer.warmup = 0, options.optimizer.weight_decay = 0;
  Trainer trainer(model, options, {});
  const auto before = model.parameters()[1]->value.detach().clone();
  const auto batch = toy_batch(0, 4);
  auto copy = before.clone().requires_grad_();  // the gradient, by ATen alone
  const auto embed = model.parameters()[0]->value.detach(), bias = model.parameters()[2]->value.detach();
  const auto logits = at::embedding(embed, batch["tokens"]).matmul(copy).tanh().matmul(embed.t()) + bias;
  const auto loss = at::cross_entropy_loss(logits.reshape({-1, ToyModel::kVocab}), batch["targets"].reshape({-1}));
  loss.backward();
  const auto result = trainer.step([&] { return batch; });
  EXPECT_NEAR(result.loss, loss.item<double>(), 1e-6);
  EXPECT_EQ(result.tokens, 32);
  // Adam's first step is lr * g / (|g| + eps): the sign of the gradient.
  const auto moved = (before - model.parameters()[1]->value.detach()) / options.optimizer.lr;
  EXPECT_TRUE(at::allclose(moved, copy.grad().sign(), 1e-3, 1e-3));
}

TEST(Trainer, AccumulationIsTheSameSumAsOneBatch) {
  auto options = toy_options();
  const auto whole = train_toy(options, {});
  options.train.micro_batch = 2;
  const auto parts = train_toy(options, {});
  for (std::size_t i = 0; i < whole.losses.size(); ++i) EXPECT_NEAR(parts.losses[i], whole.losses[i], 1e-5);
}

TEST(Trainer, VirtualDpGivesTheSameBitsOnOneTwoAndFourRanks) {
  for (const auto precision : {Precision::kFp32, Precision::kBf16}) {
    auto options = toy_options(16);
    options.train.precision = precision;
    options.parallel.virtual_dp = 4, options.train.micro_batch = 2;
    const auto one = on_ranks(options, 1);
    expect_same_bits(on_ranks(options, 2), one);
    expect_same_bits(on_ranks(options, 4), one);
    options.parallel.zero = true;
    expect_same_bits(on_ranks(options, 2), one);
    expect_same_bits(on_ranks(options, 4), one);
  }
}

TEST(Trainer, VirtualDpEqualsThatManyRanksWithoutIt) {
  auto options = toy_options(8);
  const auto four = on_ranks(options, 4);
  options.parallel.virtual_dp = 4;
  expect_same_bits(on_ranks(options, 1), four);
}

TEST(Trainer, DataParallelRanksAgreeWithOneRank) {
  const auto one = on_ranks(toy_options(12), 1);
  for (const int ranks : {2, 3, 4}) {
    for (const bool zero : {false, true}) {
      auto options = toy_options(12);
      options.parallel.zero = zero;
      const auto many = on_ranks(options, ranks);
      for (std::size_t i = 0; i < one.losses.size(); ++i) {
        EXPECT_NEAR(many.losses[i], one.losses[i], 1e-5 * one.losses[i]) << ranks << zero;
        EXPECT_NEAR(many.norms[i], one.norms[i], 1e-4 * one.norms[i]) << ranks << zero;
      }
    }
  }
}

TEST(Trainer, LossesFallAndHalfPrecisionFollows) {
  const auto fp32 = train_toy(toy_options(), {}, 20);
  EXPECT_LT(fp32.losses.back(), fp32.losses.front());
  for (const auto precision : {Precision::kBf16, Precision::kFp16}) {
    auto options = toy_options();
    options.train.precision = precision, options.loss_scale.initial = 1024;
    const auto low = train_toy(options, {}, 20);
    for (std::size_t i = 0; i < fp32.losses.size(); ++i) EXPECT_NEAR(low.losses[i], fp32.losses[i], 0.02);
  }
}

TEST(Trainer, ANonFiniteLossStopsAnFp32RunAndLeavesTheWeights) {
  ToyModel model;
  Trainer trainer(model, toy_options(4), {});
  const auto before = trainer.flat().weights.clone();
  model.loss_factor = std::numeric_limits<double>::quiet_NaN();
  try {
    trainer.step([] { return toy_batch(0, 4); });
    FAIL() << "it went on";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kLossPolicy);
    EXPECT_NE(std::string(error.what()).find("gradient"), std::string::npos) << error.what();
  }
  EXPECT_TRUE(at::equal(trainer.flat().weights, before));
}

TEST(Trainer, AnOverflowInFp16SkipsTheUpdateOnAllRanksAndBacksOff) {
  run_ranks(2, [](const parallel::Grid& grid) {
    ToyModel model;
    auto options = toy_options(4);
    options.train.precision = Precision::kFp16;
    Trainer trainer(model, options, grid);
    const auto before = trainer.flat().weights.clone();
    if (grid.rank == 1) model.loss_factor = std::numeric_limits<double>::infinity();  // one rank only
    const auto next = [&] { return toy_batch(grid.dp.rank() * 2, 2); };
    const auto bad = trainer.step(next);
    EXPECT_TRUE(bad.skipped);
    EXPECT_TRUE(at::equal(trainer.flat().weights, before));
    model.loss_factor = 1;
    const auto good = trainer.step(next);
    EXPECT_FALSE(good.skipped);
    EXPECT_EQ(good.loss_scale, bad.loss_scale / 2);
    EXPECT_EQ(trainer.counters().step, 2);
    EXPECT_EQ(trainer.counters().updates, 1);
    EXPECT_TRUE(std::isfinite(good.loss));
  });
}

TEST(Trainer, AStopAskedOfOneRankIsAgreedByAll) {
  run_ranks(4, [](const parallel::Grid& grid) {
    ToyModel model;
    Trainer trainer(model, toy_options(8), grid);
    const auto next = [&] { return toy_batch(grid.dp.rank() * 2, 2); };
    EXPECT_EQ(trainer.step(next).votes.stop, 0);
    Votes mine;
    mine.stop = grid.rank == 2, mine.finished = 1;
    const auto sum = trainer.step(next, mine).votes;
    EXPECT_EQ(sum.stop, 1);
    EXPECT_EQ(sum.finished, grid.world.size());
    EXPECT_EQ(sum.save + sum.failed, 0);
  });
}

TEST(Trainer, EvaluationIsTheMeanOverAllRanksWithoutUpdates) {
  ToyModel alone;
  Trainer one(alone, toy_options(4), {});
  const double want = one.evaluate([] { return toy_batch(0, 4); }, 1).loss;
  run_ranks(2, [&](const parallel::Grid& grid) {
    ToyModel model;
    Trainer trainer(model, toy_options(4), grid);
    const double got = trainer.evaluate([&] { return toy_batch(grid.dp.rank() * 2, 2); }, 1).loss;
    EXPECT_NEAR(got, want, 1e-6);
  });
}

TEST(PlanBatch, CutsTheGlobalBatchOrSaysWhyNot) {
  TrainOptions train;
  train.global_batch = 48, train.micro_batch = 3;
  const auto plan = plan_batch(train, 8, 2);
  EXPECT_EQ(plan.local_shards, 4);
  EXPECT_EQ(plan.accumulation, 2);
  EXPECT_EQ(plan.micro_steps(), 8);
  EXPECT_THROW(plan_batch(train, 3, 1), Error);
  EXPECT_THROW(plan_batch(train, 2, 4), Error);
  EXPECT_THROW(plan_batch(train, 0, 5), Error);
  train.micro_batch = 7;
  EXPECT_THROW(plan_batch(train, 0, 1), Error);
}

}  // namespace
}  // namespace bessemer::trainer
