#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>

namespace bessemer::models::ops {

// Kernels compute on fp32; rows of 16-bit data pass through a small buffer that stays in the first-level cache.

/// `n` elements from `data` + `offset` as fp32: `data` itself where it is fp32, else converted into `buffer`.
const float* to_float(const void* data, at::ScalarType type, int64_t offset, int64_t n, float* buffer);
/// Rounds to nearest even; nothing where `type` is fp32 and `values` is already there.
void from_float(const float* values, int64_t n, void* data, at::ScalarType type, int64_t offset);
/// Where to write `n` fp32 results: into `data` itself where it is fp32, else into `buffer` (then from_float).
float* room(void* data, at::ScalarType type, int64_t offset, float* buffer);

/// A whole CPU tensor as contiguous fp32, or fp32 as contiguous 16 bits; several times as fast as at::Tensor::to.
at::Tensor widened(const at::Tensor& x);
at::Tensor narrowed(const at::Tensor& x, at::ScalarType type);
/// sum += x in fp32, rounded once. \param sum any dtype and device; \param x fp32 or sum's dtype, of sum's shape
void add_rounded(at::Tensor sum, const at::Tensor& x);

}  // namespace bessemer::models::ops
