#include "models/ops/dropout.h"

#include "tests/models/ops/compare.h"

namespace bessemer::models::ops {

TEST(Dropout, KeepsTheShareAndTheMean) {
  const auto y = ops::dropout(at::ones({64, 4, 128}), 0.25, {9, 0, 0, 64});
  EXPECT_NEAR(y.eq(0).to(at::kFloat).mean().item<double>(), 0.25, 0.01);
  EXPECT_NEAR(y.max().item<double>(), 1.0 / 0.75, 1e-6);
}

TEST(Dropout, SlicesOfRowsAndSequenceGetTheBitsOfTheWhole) {
  const auto x = at::randn({10, 4, 33});
  const auto whole = ops::dropout(x, 0.5, {3, 0, 0, 10});
  const auto part = ops::dropout(x.narrow(0, 5, 5).narrow(1, 2, 2).contiguous(), 0.5, {3, 2, 5, 10});
  EXPECT_TRUE(at::equal(part, whole.narrow(0, 5, 5).narrow(1, 2, 2)));
  EXPECT_FALSE(at::equal(whole, ops::dropout(x, 0.5, {4, 0, 0, 10})));
}

TEST(Dropout, GradientGoesThroughTheSameMask) {
  for (auto dtype : dtypes()) {
    auto x = at::ones({7, 3, 5}, dtype).requires_grad_();
    const auto y = ops::dropout(x, 0.5, {1, 0, 0, 7});
    y.backward(at::ones_like(y));
    EXPECT_TRUE(at::equal(x.grad(), y.detach()));
  }
}

}  // namespace bessemer::models::ops
