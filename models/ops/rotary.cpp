#include "models/ops/rotary.h"

#include <cmath>

namespace bessemer::models::ops {

namespace {

/// \param positions  fp64 [s, b] or [s, 1]
at::Tensor turn(const at::Tensor& x, const at::Tensor& positions, double theta, int64_t rotated) {
  const int64_t half = x.size(3) / 2;
  const int64_t heads = rotated < 0 ? x.size(2) : rotated;
  const auto inverse = at::pow(theta, at::arange(half, positions.options()) / -static_cast<double>(half));
  const auto angle = (positions.unsqueeze(2) * inverse).unsqueeze(2);  // [s, b or 1, 1, d / 2]
  const auto cos = angle.cos().to(at::kFloat), sin = angle.sin().to(at::kFloat);
  const auto turned = x.narrow(2, 0, heads).to(at::kFloat);
  const auto first = turned.narrow(3, 0, half), second = turned.narrow(3, half, half);
  const auto y = at::cat({first * cos - second * sin, second * cos + first * sin}, 3).to(x.scalar_type());
  return heads == x.size(2) ? y : at::cat({y, x.narrow(2, heads, x.size(2) - heads)}, 2);
}

}  // namespace

at::Tensor rotary(const at::Tensor& x, int64_t first_position, double theta, int64_t rotated) {
  const auto positions = at::arange(first_position, first_position + x.size(0), x.options().dtype(at::kDouble));
  return turn(x, positions.unsqueeze(1), theta, rotated);
}

at::Tensor rotary(const at::Tensor& x, const at::Tensor& positions, double theta, int64_t rotated) {
  return turn(x, positions.to(at::kDouble), theta, rotated);
}

}  // namespace bessemer::models::ops
