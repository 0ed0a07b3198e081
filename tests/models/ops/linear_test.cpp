#include "models/ops/linear.h"

#include <torch/csrc/autograd/utils/lambda_post_hook.h>
#include <torch/csrc/autograd/variable.h>

#include "tests/models/ops/linear_cases.h"

namespace bessemer::models::ops {

TEST(Linear, MatchesFp64Reference) { linear_matches_reference(at::kCPU); }

TEST(Linear, TellsTheTrainerThatAGradientIsComplete) {
  for (bool into_grad : {false, true}) {
    auto weight = at::randn({3, 4}).requires_grad_();
    if (into_grad) weight.mutable_grad() = at::zeros({3, 4});
    int complete = 0;
    at::Tensor seen;
    auto accumulator = torch::autograd::impl::grad_accumulator(weight);
    accumulator->add_post_hook(
        std::make_unique<torch::autograd::utils::LambdaPostHook>([&](const auto& outputs, const auto&) {
          ++complete;
          seen = weight.grad().clone();
          return outputs;
        }));
    // Two uses (a tied weight): one call, after both.
    const auto x = at::randn({5, 4});
    (ops::linear(x, weight).sum() + ops::linear(x, weight).sum()).backward();
    EXPECT_EQ(complete, 1);
    EXPECT_TRUE(at::allclose(seen, 2 * x.sum(0).expand({3, 4}), 1e-5, 1e-5));
  }
}

TEST(Linear, SumsSixteenBitRowsInThirtyTwoBits) {
  for (auto dtype : {at::kBFloat16, at::kHalf}) {
    auto weight = at::zeros({2, 3}, dtype).requires_grad_();
    auto bias = at::zeros({2}, dtype).requires_grad_();
    weight.mutable_grad() = at::zeros({2, 3}, dtype);
    bias.mutable_grad() = at::zeros({2}, dtype);
    const int64_t rows = 10000;
    const auto y = ops::linear(at::ones({rows, 3}, dtype), weight, bias);
    y.backward(at::ones_like(y));
    const auto want = at::full({1}, rows, at::kFloat).to(dtype).item<float>();
    EXPECT_EQ(weight.grad().min().item<float>(), want);
    EXPECT_EQ(bias.grad().min().item<float>(), want);
  }
}

}  // namespace bessemer::models::ops
