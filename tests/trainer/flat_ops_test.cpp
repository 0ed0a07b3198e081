#include "trainer/flat_ops.h"

#include <gtest/gtest.h>

#include <limits>

#include "tests/trainer/adam_example.h"

namespace bessemer::trainer {

// Sizes: none, one, odd, more than a chunk of the kernel.
class FlatOps : public testing::TestWithParam<int64_t> {};
INSTANTIATE_TEST_SUITE_P(Sizes, FlatOps, testing::Values(0, 1, 17, 4096, 10007));

AdamState by_aten(const AdamStep& s, const AdamState& x) {  // torch.optim.AdamW, single-tensor form, in double
  const auto g = x.gradient.to(at::kDouble) * s.gradient_factor;
  const auto w = x.weight.to(at::kDouble) * (1 - static_cast<double>(s.lr) * s.weight_decay);
  const auto m = x.momentum.to(at::kDouble) * s.beta1 + g * (1 - s.beta1);
  const auto v = x.variance.to(at::kDouble) * s.beta2 + g * g * (1 - s.beta2);
  const auto denominator = v.sqrt() / s.bias2_sqrt + s.eps;
  return {w - m / denominator * (s.lr / s.bias1), at::zeros_like(g), m, v};
}

TEST_P(FlatOps, AdamMatchesTorchsArithmeticAndClearsTheGradient) {
  const auto before = random_state(GetParam());
  const auto want = by_aten(example_step(), before);
  const AdamState got{before.weight.clone(), before.gradient.clone(), before.momentum.clone(), before.variance.clone()};
  adam_update(example_step(), got.weight, got.gradient, got.momentum, got.variance, {});
  EXPECT_TRUE(at::allclose(got.weight.to(at::kDouble), want.weight, 1e-6, 1e-7));
  EXPECT_TRUE(at::allclose(got.momentum.to(at::kDouble), want.momentum, 1e-6, 1e-7));
  EXPECT_TRUE(at::allclose(got.variance.to(at::kDouble), want.variance, 1e-6, 1e-9));
  EXPECT_TRUE(at::equal(got.gradient, at::zeros_like(got.gradient)));
}

TEST_P(FlatOps, AdamWritesTheRounded16BitWeight) {
  for (const auto dtype : {at::kBFloat16, at::kHalf}) {
    auto x = random_state(GetParam());
    auto low = at::zeros({GetParam()}, dtype);
    adam_update(example_step(), x.weight, x.gradient, x.momentum, x.variance, low);
    EXPECT_TRUE(at::equal(low, x.weight.to(dtype)));
  }
}

TEST_P(FlatOps, SixteenBitGradientsAddInFp32AndClear) {
  for (const auto dtype : {at::kBFloat16, at::kHalf}) {
    auto into = at::randn({GetParam()}), low = at::randn({GetParam()}).to(dtype);
    const auto want = into + low.to(at::kFloat);
    add_and_clear(into, low);
    EXPECT_TRUE(at::equal(into, want));
    EXPECT_TRUE(at::equal(low, at::zeros_like(low)));
  }
}

TEST_P(FlatOps, BlockSquaresAddToTheSquareOfTheNorm) {
  const auto x = at::randn({GetParam()});
  double sum = 0;
  for (const double block : block_squares({x}, 1024)) sum += block;
  const double want = x.to(at::kDouble).square().sum().item<double>();
  EXPECT_NEAR(sum, want, 1e-5 * want);
}

TEST(BlockSquares, ABlockHasTheSameBitsWhereverItLies) {
  const auto x = at::randn({4096});
  const auto all = block_squares({x}, 1024), tail = block_squares({x.narrow(0, 2048, 2048)}, 1024);
  EXPECT_EQ(all[2], tail[0]);
  EXPECT_EQ(all[3], tail[1]);
}

TEST(BlockSquares, NonFiniteStaysAndLargeFiniteDoesNotBecomeIt) {
  auto x = at::zeros({2048});
  x[5] = 3e30f;
  EXPECT_NEAR(block_squares({x}, 1024)[0], 9e60, 1e55);
  for (const float bad : {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    x[1500] = bad;
    EXPECT_FALSE(std::isfinite(block_squares({x}, 1024)[1]));
    EXPECT_TRUE(std::isfinite(block_squares({x}, 1024)[0]));
  }
}

TEST(Adam, ZeroGradientsOnlyDecay) {
  auto w = at::ones({3}), g = at::zeros({3}), m = at::zeros({3}), v = at::zeros({3});
  adam_update(example_step(), w, g, m, v, {});
  EXPECT_TRUE(at::allclose(w, at::full({3}, 1 - 1e-4f)));
}

}  // namespace bessemer::trainer
