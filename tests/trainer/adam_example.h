#pragma once
#include <ATen/ATen.h>

#include <cmath>

#include "trainer/flat_ops.h"

namespace bessemer::trainer {

struct AdamState {
  at::Tensor weight, gradient, momentum, variance;
  AdamState on(at::Device device) const {  // always copies
    return {weight.to(device, weight.scalar_type(), false, true),
            gradient.to(device, gradient.scalar_type(), false, true),
            momentum.to(device, momentum.scalar_type(), false, true),
            variance.to(device, variance.scalar_type(), false, true)};
  }
};

inline AdamState random_state(int64_t n) {
  at::manual_seed(7);
  return {at::randn({n}), at::randn({n}), at::randn({n}) * 0.1, at::rand({n}) * 0.01};
}

inline AdamStep example_step() {
  AdamStep s;
  s.lr = 1e-3f, s.beta1 = 0.9f, s.beta2 = 0.95f, s.eps = 1e-8f, s.weight_decay = 0.1f, s.gradient_factor = 0.25f;
  s.bias1 = 1 - std::pow(0.9f, 3.0f), s.bias2_sqrt = std::sqrt(1 - std::pow(0.95f, 3.0f));
  return s;
}

}  // namespace bessemer::trainer
