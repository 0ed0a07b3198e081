#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>

namespace bessemer::models::ops {

/// Rotary positions, Llama's convention: element i of a head's first half turns with element i of its second half, by
/// the angle position * theta^(-2 i / d). In fp32; the gradient is the inverse rotation.
/// \param x        [s, b, a, d], d even; row i is at position first_position + i
/// \param rotated  only the first `rotated` heads turn, the others pass through (v in q | k | v); -1 = all
at::Tensor rotary(const at::Tensor& x, int64_t first_position, double theta, int64_t rotated = -1);
/// \param positions  int64 [s, b]: row i of batch row r is at positions[i, r].
at::Tensor rotary(const at::Tensor& x, const at::Tensor& positions, double theta, int64_t rotated = -1);

}  // namespace bessemer::models::ops
