#pragma once
#include "models/ops/norm.h"
#include "tests/models/ops/compare.h"

namespace bessemer::models::ops {

inline at::Tensor norm_reference(Norm kind, const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  const auto y = kind == Norm::kLayerNorm ? x - x.mean(-1, true) : x;
  const auto z = y * at::rsqrt(y.square().mean(-1, true) + 1e-5) * weight;
  return bias.defined() ? z + bias : z;
}

inline void norm_matches_reference(at::Device device) {
  at::manual_seed(2);
  for (auto kind : {Norm::kLayerNorm, Norm::kRmsNorm}) {
    const Op op = [&](const auto& x) { return norm(kind, x[0], x[1], x.size() > 2 ? x[2] : at::Tensor(), 1e-5); };
    const Op reference = [&](const auto& x) {
      return norm_reference(kind, x[0], x[1], x.size() > 2 ? x[2] : at::Tensor());
    };
    for (auto dtype : dtypes()) {
      for (bool into_grad : {false, true}) {
        for (auto [s, h] : {std::pair{1, 7}, {5, 128}, {33, 65}, {3, 1030}, {0, 16}}) {
          expect_matches(op, reference, {random({s, 2, h}), random({h})}, dtype, device, into_grad);
          expect_matches(op, reference, {random({s, 2, h}) + 3.0, random({h}), random({h})}, dtype, device, into_grad);
        }
      }
    }
  }
}

/// Both outputs are used, the sum twice, so that both incoming gradients count.
inline void add_norm_matches_reference(at::Device device) {
  at::manual_seed(3);
  for (auto kind : {Norm::kLayerNorm, Norm::kRmsNorm}) {
    const Op op = [&](const auto& x) {
      const auto [sum, y] = add_norm(kind, x[0], x[1], x[2], x.size() > 3 ? x[3] : at::Tensor(), 1e-5);
      return at::cat({sum, y}, 0);
    };
    const Op reference = [&](const auto& x) {
      const auto sum = x[0] + x[1];
      return at::cat({sum, norm_reference(kind, sum, x[2], x.size() > 3 ? x[3] : at::Tensor())}, 0);
    };
    for (auto dtype : dtypes()) {
      for (auto [s, h] : {std::pair{1, 7}, {5, 128}, {33, 65}}) {
        // The sum is exact in 16 bits too: quarters, so that only the norm's own rounding is measured.
        const auto quarters = [&] { return at::randint(-8, 8, {s, 2, h}, at::kDouble) / 4; };
        expect_matches(op, reference, {quarters(), quarters(), random({h})}, dtype, device);
        expect_matches(op, reference, {quarters(), quarters(), random({h}), random({h})}, dtype, device);
      }
    }
  }
}

/// Only one of the two outputs is used: the other's gradient is undefined in backward.
inline void add_norm_takes_one_gradient(at::Device device) {
  at::manual_seed(4);
  const Op op = [](const auto& x) { return add_norm(Norm::kLayerNorm, x[0], x[1], x[2], {}, 1e-5).second; };
  const Op reference = [](const auto& x) { return norm_reference(Norm::kLayerNorm, x[0] + x[1], x[2], {}); };
  expect_matches(op, reference, {random({3, 2, 9}), random({3, 2, 9}), random({9})}, at::kFloat, device);
  auto x = at::randn({3, 9}, device).requires_grad_();
  add_norm(Norm::kLayerNorm, x, x, at::ones({9}, device), {}, 1e-5).first.sum().backward();
  EXPECT_TRUE(at::equal(x.grad().cpu(), at::full({3, 9}, 2.0f)));
}

/// 0.1 summed 10,000 times is 1,000 (trap 1: 256 in fp16).
inline void norm_sums_in_fp32(at::Device device) {
  const auto options = at::TensorOptions(at::kHalf).device(device);
  auto weight = at::ones({4}, options).requires_grad_();
  auto bias = at::zeros({4}, options).requires_grad_();
  const auto x = at::tensor({1.0f, -1.0f, 1.0f, -1.0f}).to(options).expand({10000, 4}).contiguous();
  const auto y = norm(Norm::kLayerNorm, x, weight, bias, 1e-5);
  y.backward(at::full_like(y, 0.1));
  EXPECT_NEAR(bias.grad().min().item<float>(), 1000.0f, 1.0f);
  EXPECT_NEAR(weight.grad()[0].item<float>(), 1000.0f, 1.0f);
  EXPECT_NEAR(weight.grad()[1].item<float>(), -1000.0f, 1.0f);
}

}  // namespace bessemer::models::ops
