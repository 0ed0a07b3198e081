#pragma once
#include "models/ops/activation.h"
#include "tests/models/ops/compare.h"

namespace bessemer::models::ops {

inline void activations_match_reference(at::Device device) {
  at::manual_seed(5);
  const std::vector<std::pair<Activation, Op>> kinds{
      {Activation::kGelu, [](const auto& x) { return at::gelu(x[0]); }},
      {Activation::kGeluTanh, [](const auto& x) { return at::gelu(x[0], "tanh"); }},
      {Activation::kRelu, [](const auto& x) { return at::relu(x[0]); }},
      {Activation::kRelu2, [](const auto& x) { return at::relu(x[0]).square(); }},
      {Activation::kSwiglu, [](const auto& x) {
         const auto parts = x[0].chunk(2, -1);
         return at::silu(parts[0]) * parts[1];
       }}};
  for (const auto& [kind, reference] : kinds) {
    const Op op = [kind = kind](const auto& x) { return activation(kind, x[0]); };
    for (auto dtype : dtypes()) {
      for (auto [rows, f] : {std::pair{0, 2}, {1, 2}, {3, 14}, {5, 130}, {40, 1026}}) {
        expect_matches(op, reference, {3.0 * random({rows, f})}, dtype, device);
      }
    }
  }
}

/// Every decade from 1e-30 to 1e5, both signs: relative accuracy in the tails, and no nan from inf - inf.
inline void gelu_holds_over_the_whole_range(at::Device device) {
  const auto magnitude = at::pow(10.0, at::linspace(-30, 5, 3501, at::kDouble));
  const auto fine = at::linspace(-12, 12, 24001, at::kDouble);
  const auto points = at::cat({-magnitude, magnitude, fine}).to(at::kFloat);
  for (auto kind : {Activation::kGelu, Activation::kGeluTanh}) {
    auto x = points.to(device, at::kFloat, false, true).requires_grad_();
    auto want_x = points.to(at::kDouble).requires_grad_();
    const auto y = activation(kind, x);
    const auto want = at::gelu(want_x, kind == Activation::kGelu ? "none" : "tanh");
    y.sum().backward();
    want.sum().backward();
    const auto error = (y.detach().cpu().to(at::kDouble) - want.detach()).abs();
    // CUDA's tanh has 2 ulp, which 1 + tanh makes 2e-7 of the argument near -5.
    const double absolute = device.is_cpu() ? 1e-7 : 5e-7;
    // Values to 1e-6 of themselves; the slope of the tanh kind loses digits in 1 - gate near x = 4, times 19.
    EXPECT_LE((error / (want.detach().abs() * 1e-6 + absolute)).max().item<double>(), 1.0);
    EXPECT_LE((x.grad().cpu().to(at::kDouble) - want_x.grad()).abs().max().item<double>(), 3e-6);
  }
}

}  // namespace bessemer::models::ops
