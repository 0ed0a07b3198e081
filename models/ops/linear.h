#pragma once
#include <ATen/core/Tensor.h>

namespace bessemer::models::ops {

/// x weight^T + bias: the one place of matrix products with weights.
///
/// Backward adds the weight's gradient by the product itself into `weight.grad()` where that is defined (a view of a
/// flat buffer, the weight's dtype) and hands autograd an undefined gradient: the accumulate node's post hooks still
/// fire. Where it is not defined the gradient is returned as usual. The bias gradient is summed in fp32.
/// \param x       [..., in], fp32, bf16 or fp16
/// \param weight  [out, in], same dtype
/// \param bias    [out] or undefined
/// \return        [..., out]
at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias = {});

/// True where products of 16-bit tensors go through fp32 copies of them (a CPU without matrix tiles): what they cost in
/// memory for a moment is part of the memory account.
bool products_through_fp32(at::Device device, at::ScalarType dtype);

}  // namespace bessemer::models::ops
