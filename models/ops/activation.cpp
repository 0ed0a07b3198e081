#include "models/ops/activation.h"

namespace bessemer::models::ops {

at::Tensor activation(Activation kind, const at::Tensor& x) {
  switch (kind) {
    case Activation::kGelu: return at::gelu(x);
    case Activation::kGeluTanh: return at::gelu(x, "tanh");
    case Activation::kRelu: return at::relu(x);
    case Activation::kRelu2: return at::relu(x).square();
    case Activation::kSwiglu: break;
  }
  return swiglu(x);
}

at::Tensor swiglu(const at::Tensor& gate_up) {
  const auto parts = gate_up.to(at::kFloat).chunk(2, -1);
  return (at::silu(parts[0]) * parts[1]).to(gate_up.scalar_type());
}

}  // namespace bessemer::models::ops
