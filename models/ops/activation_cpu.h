#pragma once
#include <ATen/core/Tensor.h>

#include "models/options.h"

namespace bessemer::models::ops {

/// On contiguous CPU tensors; `gate` of kSwiglu is the first half of the last dimension of x.
void activation_forward_cpu(Activation kind, const at::Tensor& x, at::Tensor& y);
void activation_backward_cpu(Activation kind, const at::Tensor& x, const at::Tensor& dy, at::Tensor& dx);

}  // namespace bessemer::models::ops
