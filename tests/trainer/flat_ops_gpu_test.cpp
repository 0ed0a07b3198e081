// The CUDA kernels against the CPU's, which flat_ops_test.cpp holds against ATen.
#include <gtest/gtest.h>

#include <limits>

#include "tests/trainer/adam_example.h"

namespace bessemer::trainer {
namespace {

// Sizes: none, one, odd, and more than one pass of the kernel's grid (132 * 16 * 256 threads).
class FlatOpsOnGpu : public testing::TestWithParam<int64_t> {};
INSTANTIATE_TEST_SUITE_P(Sizes, FlatOpsOnGpu, testing::Values(0, 1, 17, 10007, 600001));

// One may fuse a multiplication and an addition where the other does not: a few units in the last place.
void expect_near(const at::Tensor& gpu, const at::Tensor& cpu) {
  EXPECT_TRUE(at::allclose(gpu.cpu(), cpu, 1e-6, 1e-8));
}

TEST_P(FlatOpsOnGpu, AdamEqualsTheCpusAndClearsTheGradient) {
  const auto cpu = random_state(GetParam()), gpu = cpu.on(at::kCUDA);
  adam_update(example_step(), cpu.weight, cpu.gradient, cpu.momentum, cpu.variance, {});
  adam_update(example_step(), gpu.weight, gpu.gradient, gpu.momentum, gpu.variance, {});
  expect_near(gpu.weight, cpu.weight);
  expect_near(gpu.momentum, cpu.momentum);
  expect_near(gpu.variance, cpu.variance);
  EXPECT_TRUE(at::equal(gpu.gradient.cpu(), at::zeros({GetParam()})));
}

TEST_P(FlatOpsOnGpu, SlicesThatBeginAnywhereAreUpdatedAsWellAsWholes) {
  if (GetParam() < 3) return;
  const auto cpu = random_state(GetParam()), gpu = cpu.on(at::kCUDA);
  for (const auto& x : {cpu, gpu}) {
    const auto part = [&](const at::Tensor& t) { return t.narrow(0, 1, t.numel() - 2); };
    adam_update(example_step(), part(x.weight), part(x.gradient), part(x.momentum), part(x.variance), {});
  }
  expect_near(gpu.weight, cpu.weight);
  expect_near(gpu.variance, cpu.variance);
  EXPECT_TRUE(at::equal(gpu.gradient.cpu(), cpu.gradient));
}

TEST_P(FlatOpsOnGpu, AdamWritesTheRounded16BitWeight) {
  for (const auto dtype : {at::kBFloat16, at::kHalf}) {
    const auto gpu = random_state(GetParam()).on(at::kCUDA);
    const auto low = at::zeros({GetParam()}, gpu.weight.options().dtype(dtype));
    adam_update(example_step(), gpu.weight, gpu.gradient, gpu.momentum, gpu.variance, low);
    EXPECT_TRUE(at::equal(low, gpu.weight.to(dtype)));
  }
}

TEST_P(FlatOpsOnGpu, LambEqualsTheCpus) {
  const auto cpu = random_state(GetParam()), gpu = cpu.on(at::kCUDA);
  auto low = at::zeros({GetParam()}, gpu.weight.options().dtype(at::kBFloat16));
  for (const auto& x : {cpu, gpu}) lamb_direction(example_step(), x.weight, x.gradient, x.momentum, x.variance);
  EXPECT_TRUE(at::allclose(gpu.gradient.cpu(), cpu.gradient, 1e-5, 1e-6));
  expect_near(gpu.variance, cpu.variance);
  lamb_apply(0.125f, cpu.weight, cpu.gradient, {});
  lamb_apply(0.125f, gpu.weight, gpu.gradient, low);
  EXPECT_TRUE(at::allclose(gpu.weight.cpu(), cpu.weight, 1e-5, 1e-6));
  EXPECT_TRUE(at::equal(low, gpu.weight.to(at::kBFloat16)));
  EXPECT_TRUE(at::equal(gpu.gradient.cpu(), cpu.gradient));
}

TEST_P(FlatOpsOnGpu, SixteenBitGradientsAddInFp32AndClear) {
  for (const auto dtype : {at::kBFloat16, at::kHalf}) {
    const auto into = at::randn({GetParam()}).to(at::kCUDA), low = at::randn({GetParam()}).to(dtype).to(at::kCUDA);
    const auto want = into.cpu() + low.cpu().to(at::kFloat);
    add_and_clear(into, low);
    EXPECT_TRUE(at::equal(into.cpu(), want));
    EXPECT_TRUE(at::equal(low, at::zeros_like(low)));
  }
}

TEST_P(FlatOpsOnGpu, BlockSquaresEqualTheCpusBlockByBlock) {
  const auto x = at::randn({GetParam()});
  const auto cpu = block_squares({x}, 1024), gpu = block_squares({x.to(at::kCUDA)}, 1024);
  ASSERT_EQ(gpu.size(), cpu.size());
  for (std::size_t i = 0; i < cpu.size(); ++i) EXPECT_NEAR(gpu[i], cpu[i], 1e-5 * cpu[i]) << "block " << i;
}

TEST(BlockSquaresOnGpu, ABlockHasTheSameBitsWhereverItLies) {
  const auto x = at::randn({4096}).to(at::kCUDA);
  const auto all = block_squares({x}, 1024), tail = block_squares({x.narrow(0, 2048, 2048)}, 1024);
  EXPECT_EQ(all[2], tail[0]);
  EXPECT_EQ(all[3], tail[1]);
}

TEST(BlockSquaresOnGpu, NonFiniteStaysAndLargeFiniteDoesNotBecomeIt) {
  auto x = at::zeros({2048});
  x[5] = 3e30f;
  EXPECT_NEAR(block_squares({x.to(at::kCUDA)}, 1024)[0], 9e60, 1e55);
  for (const float bad : {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    x[1500] = bad;
    const auto sums = block_squares({x.to(at::kCUDA)}, 1024);
    EXPECT_TRUE(std::isfinite(sums[0]));
    EXPECT_FALSE(std::isfinite(sums[1]));
  }
}

}  // namespace
}  // namespace bessemer::trainer
