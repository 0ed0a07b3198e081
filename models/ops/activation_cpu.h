#pragma once
#include <ATen/core/Tensor.h>

#include "models/options.h"

namespace bessemer::models::ops {

/// On contiguous CPU tensors of one dtype. y = f(x), and slope = f'(x) where `slope` is defined: most of the work for
/// both is the same, and the backward pass is then one product.
void activation_forward_cpu(Activation kind, const at::Tensor& x, at::Tensor& y, at::Tensor& slope);
/// dx = dy * slope
void activation_backward_cpu(const at::Tensor& slope, const at::Tensor& dy, at::Tensor& dx);

/// x [..., 2 f] laid out gate | up.
void swiglu_forward_cpu(const at::Tensor& x, at::Tensor& y);
void swiglu_backward_cpu(const at::Tensor& x, const at::Tensor& dy, at::Tensor& dx);

}  // namespace bessemer::models::ops
