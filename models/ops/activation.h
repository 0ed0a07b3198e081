#pragma once
#include <ATen/core/Tensor.h>

#include "models/options.h"

namespace bessemer::models::ops {

/// Element by element: exact or tanh GELU, ReLU, squared ReLU, [..., f] -> [..., f]; kSwiglu is swiglu() below.
at::Tensor activation(Activation kind, const at::Tensor& x);
/// silu(gate) * up for [..., 2 f] laid out gate | up -> [..., f].
at::Tensor swiglu(const at::Tensor& gate_up);

}  // namespace bessemer::models::ops
