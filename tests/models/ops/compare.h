#pragma once
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <functional>
#include <vector>

namespace bessemer::models::ops {

using Op = std::function<at::Tensor(const std::vector<at::Tensor>&)>;

/// Largest error allowed, as a share of the largest value of the reference: 32-bit sums in another order, or one
/// rounding of the result (and of the operators' documented intermediate roundings) to 16 bits.
inline double tolerance(at::ScalarType dtype) {
  return dtype == at::kFloat ? 1e-5 : dtype == at::kHalf ? 2e-3 : 1.2e-2;
}

inline void expect_close(const at::Tensor& got, const at::Tensor& want, double tol, const std::string& what) {
  ASSERT_TRUE(got.defined()) << what;
  ASSERT_EQ(got.sizes(), want.sizes()) << what;
  if (want.numel() == 0) return;
  const auto error = (got.detach().to(at::kCPU).to(at::kDouble) - want.to(at::kDouble)).abs().max().item<double>();
  // Where the reference is zero in theory (a softmax of one key), kernels may leave rounding.
  EXPECT_LE(error, std::max(tol * want.abs().max().item<double>(), 1e-6)) << what;  // nan fails too
}

/// `op` in `dtype` on `device` against `reference` in fp64, output and the gradients of every floating input, from the
/// same inputs (rounded to `dtype`) and the same output gradient. With `into_grad`, inputs from index 1 on have a
/// `.grad` of ones beforehand, to which the gradient must be added in place.
inline void expect_matches(const Op& op, const Op& reference, const std::vector<at::Tensor>& inputs,
                           at::ScalarType dtype, at::Device device, bool into_grad = false) {
  std::vector<at::Tensor> ours, theirs, before;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const auto& x = inputs[i];
    const bool floating = x.defined() && x.is_floating_point();
    ours.push_back(floating      ? x.to(dtype).to(device, dtype, false, true).requires_grad_()
                   : x.defined() ? x.to(device)
                                 : x);
    theirs.push_back(floating ? x.to(dtype).to(at::kDouble).requires_grad_() : x);
    if (floating && into_grad && i > 0) ours.back().mutable_grad() = at::ones_like(ours.back()).detach();
    before.push_back(floating ? ours.back().grad() : at::Tensor());
  }
  const auto got = op(ours);
  const auto want = reference(theirs);
  const double tol = tolerance(dtype);
  EXPECT_EQ(got.scalar_type(), dtype);
  expect_close(got, want.detach(), tol, "output");
  const auto dy = at::randn(want.sizes(), at::kDouble).to(dtype);
  got.backward(dy.to(device));
  want.backward(dy.to(at::kDouble));
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (!theirs[i].defined() || !theirs[i].is_floating_point()) continue;
    auto expected = theirs[i].grad();
    if (before[i].defined()) {
      expected = expected + 1.0;
      EXPECT_EQ(ours[i].grad().data_ptr(), before[i].data_ptr()) << "gradient " << i << " left its memory";
    }
    expect_close(ours[i].grad(), expected, tol, "gradient " + std::to_string(i));
  }
}

inline const std::vector<at::ScalarType>& dtypes() {
  static const std::vector<at::ScalarType> all{at::kFloat, at::kBFloat16, at::kHalf};
  return all;
}

inline at::Tensor random(at::IntArrayRef shape) { return at::randn(shape, at::kDouble); }

}  // namespace bessemer::models::ops
