#pragma once
#include <ATen/core/Tensor.h>

#include <utility>

#include "models/options.h"

namespace bessemer::models::ops {

/// Norms over the last dimension. x fp32, bf16 or fp16; weight (and bias, which may be undefined) [h] in the same
/// dtype. All sums in fp32. The gradients of weight and bias are summed over rows in fp32, and added into their `.grad`
/// where that is defined (as linear does).
at::Tensor norm(Norm kind, const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, double eps);

/// The residual stream and its norm in one pass, with one backward node that sums both incoming gradients.
/// \return  (residual + x, norm(residual + x)), each [..., h]; the sum is rounded to the dtype before it is normed.
std::pair<at::Tensor, at::Tensor> add_norm(Norm kind, const at::Tensor& residual, const at::Tensor& x,
                                           const at::Tensor& weight, const at::Tensor& bias, double eps);

}  // namespace bessemer::models::ops
