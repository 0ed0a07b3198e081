#pragma once
#include <cmath>

#include "models/ops/rotary.h"
#include "tests/models/ops/compare.h"

namespace bessemer::models::ops {

/// As complex numbers: (x1 + i x2) * exp(i angle).
inline at::Tensor rotary_reference(const at::Tensor& x, int64_t first, double theta, int64_t heads) {
  const int64_t half = x.size(3) / 2;
  const auto inverse = at::exp(at::arange(half, at::kDouble) * (-std::log(theta) / static_cast<double>(half)));
  const auto angle = (at::arange(x.size(0), at::kDouble) + first).view({-1, 1, 1, 1}) * inverse;
  const auto t = x.narrow(2, 0, heads);
  const auto z = at::complex(t.narrow(3, 0, half), t.narrow(3, half, half)) * at::polar(at::ones_like(angle), angle);
  return at::cat({at::cat({at::real(z), at::imag(z)}, 3), x.narrow(2, heads, x.size(2) - heads)}, 2);
}

inline void rotary_matches_reference(at::Device device) {
  at::manual_seed(9);
  for (auto dtype : dtypes()) {
    for (auto [s, heads, d, first, rotated] :
         {std::tuple{1, 1, 2, 0, -1}, {5, 3, 8, 0, -1}, {7, 4, 34, 100, 3}, {3, 2, 64, 2000, 0}}) {
      expect_matches(
          [&](const auto& x) { return rotary(x[0], first, 10000.0, rotated); },
          [&](const auto& x) { return rotary_reference(x[0], first, 10000.0, rotated < 0 ? heads : rotated); },
          {random({s, 2, heads, d})}, dtype, device);
    }
  }
}

}  // namespace bessemer::models::ops
