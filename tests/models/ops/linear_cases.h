#pragma once
#include "models/ops/linear.h"
#include "tests/models/ops/compare.h"

namespace bessemer::models::ops {

inline void linear_matches_reference(at::Device device) {
  at::manual_seed(1);
  const Op op = [](const auto& x) { return ops::linear(x[0], x[1], x.size() > 2 ? x[2] : at::Tensor()); };
  const Op reference = [](const auto& x) {
    const auto y = at::matmul(x[0], x[1].t());
    return x.size() > 2 ? y + x[2] : y;
  };
  for (auto dtype : dtypes()) {
    for (bool into_grad : {false, true}) {
      for (auto [s, in, out] : {std::tuple{1, 1, 1}, {3, 5, 7}, {6, 128, 65}, {17, 33, 129}, {0, 4, 8}}) {
        expect_matches(op, reference, {random({s, 2, in}), random({out, in})}, dtype, device, into_grad);
        expect_matches(op, reference, {random({s, 2, in}), random({out, in}), random({out})}, dtype, device, into_grad);
      }
    }
  }
}

}  // namespace bessemer::models::ops
