#include "models/ops/rotary.h"

#include <cmath>
#include <numbers>

namespace bessemer::models::ops {

namespace {

/// fp64 [half]: what each pair turns by a position.
at::Tensor frequencies(const Rotation& r, int64_t half, const at::TensorOptions& options) {
  const auto plain = at::pow(r.theta, at::arange(half, options) / -static_cast<double>(half));
  if (r.factor == 1.0) return plain;
  const auto turns = plain * (r.original / (2.0 * std::numbers::pi));
  const auto fast = ((turns - r.low) / (r.high - r.low)).clamp(0.0, 1.0);
  return plain * (fast + (1.0 - fast) / r.factor);
}

/// \param positions  fp64 [s, b] or [s, 1]
at::Tensor turn(const at::Tensor& x, const at::Tensor& positions, const Rotation& rotation, int64_t rotated) {
  const int64_t half = x.size(3) / 2;
  const int64_t heads = rotated < 0 ? x.size(2) : rotated;
  const auto inverse = frequencies(rotation, half, positions.options());
  const auto angle = (positions.unsqueeze(2) * inverse).unsqueeze(2);  // [s, b or 1, 1, d / 2]
  const auto cos = angle.cos().to(at::kFloat), sin = angle.sin().to(at::kFloat);
  const auto turned = x.narrow(2, 0, heads).to(at::kFloat);
  const auto first = turned.narrow(3, 0, half), second = turned.narrow(3, half, half);
  const auto y = at::cat({first * cos - second * sin, second * cos + first * sin}, 3).to(x.scalar_type());
  return heads == x.size(2) ? y : at::cat({y, x.narrow(2, heads, x.size(2) - heads)}, 2);
}

}  // namespace

at::Tensor rotary(const at::Tensor& x, int64_t first_position, const Rotation& rotation, int64_t rotated) {
  const auto positions = at::arange(first_position, first_position + x.size(0), x.options().dtype(at::kDouble));
  return turn(x, positions.unsqueeze(1), rotation, rotated);
}

at::Tensor rotary(const at::Tensor& x, const at::Tensor& positions, const Rotation& rotation, int64_t rotated) {
  return turn(x, positions.to(at::kDouble), rotation, rotated);
}

}  // namespace bessemer::models::ops
