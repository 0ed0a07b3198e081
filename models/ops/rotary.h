#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>

namespace bessemer::models::ops {

/// How fast pairs of elements turn: pair i by theta^(-2 i / d) a position.
struct Rotation {
  Rotation(double base) : theta(base) {}  // implicit: a base alone is the usual case
  double theta;
  /// Llama 3's scaling: pairs that turn fewer than `low` times in `original` positions turn `factor` times slower,
  /// those of more than `high` as before, in between in proportion. Source: transformers, modeling_rope_utils.py,
  /// _compute_llama3_parameters.
  double factor = 1.0;
  double low = 1.0;
  double high = 4.0;
  double original = 8192.0;
};

/// Rotary positions, Llama's convention: element i of a head's first half turns with element i of its second half, by
/// the angle position * theta^(-2 i / d). In fp32; the gradient is the inverse rotation.
/// \param x        [s, b, a, d], d even; row i is at position first_position + i
/// \param rotated  only the first `rotated` heads turn, the others pass through (v in q | k | v); -1 = all
at::Tensor rotary(const at::Tensor& x, int64_t first_position, const Rotation& rotation, int64_t rotated = -1);
/// \param positions  int64 [s, b]: row i of batch row r is at positions[i, r].
at::Tensor rotary(const at::Tensor& x, const at::Tensor& positions, const Rotation& rotation, int64_t rotated = -1);

}  // namespace bessemer::models::ops
