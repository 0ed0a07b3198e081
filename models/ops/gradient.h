#pragma once
#include <ATen/core/Tensor.h>

#include <optional>

namespace bessemer::models::ops {

/// True where a backward may add into `parameter.grad()` itself and hand autograd an undefined gradient.
bool accumulates_in_place(const at::Tensor& parameter);

/// Adds `gradient` (fp32 or the parameter's dtype, the parameter's shape) into `parameter.grad()`, rounding once, and
/// returns an undefined tensor; where there is no `.grad` yet, returns the gradient in the parameter's dtype.
at::Tensor hand_over(const at::Tensor& parameter, const at::Tensor& gradient);

/// An argument that may be undefined, as autograd functions want it.
inline std::optional<at::Tensor> maybe(const at::Tensor& x) { return x.defined() ? std::optional(x) : std::nullopt; }

}  // namespace bessemer::models::ops
