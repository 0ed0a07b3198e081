// The trainer on a GPU gives the losses of the trainer on the CPU.
#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/toy_model.h"
#include "trainer/trainer.h"

namespace bessemer::trainer {
namespace {

using tests::toy_batch;
using tests::ToyModel;

constexpr int64_t kBatch = 8, kSteps = 20;

std::vector<StepResult> train(at::Device device, Precision precision) {
  parallel::Grid grid;
  grid.device = device;
  TrainerOptions options;
  options.seed = 5;
  options.train.global_batch = kBatch, options.train.micro_batch = kBatch / 2, options.train.steps = kSteps;
  options.train.precision = precision;
  options.optimizer.lr = 1e-2, options.optimizer.warmup = 2;
  ToyModel model;
  Trainer trainer(model, options, grid);
  std::vector<StepResult> results;
  int64_t row = 0;
  for (int64_t t = 0; t < kSteps; ++t) {
    results.push_back(trainer.step([&] {
      auto batch = toy_batch(row, kBatch / 2);
      row += kBatch / 2;
      for (auto& [name, tensor] : batch.tensors) tensor = tensor.to(device);
      return batch;
    }));
  }
  return results;
}

void expect_the_cpus_losses(Precision precision, double tolerance) {
  const auto cpu = train(at::kCPU, Precision::kFp32), gpu = train(at::Device(at::kCUDA, 0), precision);
  for (std::size_t i = 0; i < cpu.size(); ++i) {
    EXPECT_FALSE(gpu[i].skipped) << i;
    EXPECT_NEAR(gpu[i].loss, cpu[i].loss, tolerance * cpu[i].loss) << i;
    EXPECT_NEAR(gpu[i].grad_norm, cpu[i].grad_norm, 10 * tolerance * cpu[i].grad_norm) << i;
  }
}

}  // namespace

TEST(TrainerOnGpu, Fp32LossesAreTheCpus) { expect_the_cpus_losses(Precision::kFp32, 1e-4); }
TEST(TrainerOnGpu, Bf16LossesAreNearTheCpusFp32) { expect_the_cpus_losses(Precision::kBf16, 2e-2); }
TEST(TrainerOnGpu, Fp16LossesAreNearTheCpusFp32) { expect_the_cpus_losses(Precision::kFp16, 5e-3); }

}  // namespace bessemer::trainer
