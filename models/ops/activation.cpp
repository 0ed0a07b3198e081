#include "models/ops/activation.h"

#include "models/ops/activation_cpu.h"

namespace bessemer::models::ops {

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::tensor_list;

/// Keeps f'(x) for the backward pass, not x.
struct CpuActivation : torch::autograd::Function<CpuActivation> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& given, int64_t kind, bool differentiate) {
    const auto x = given.contiguous();
    auto y = at::empty_like(x), slope = differentiate ? at::empty_like(x) : at::Tensor();
    activation_forward_cpu(static_cast<Activation>(kind), x, y, slope);
    ctx->save_for_backward({slope});
    return y;
  }

  static tensor_list backward(AutogradContext* ctx, const tensor_list& gradients) {
    const auto slope = ctx->get_saved_variables()[0];
    auto dx = at::empty_like(slope);
    activation_backward_cpu(slope, gradients[0].contiguous(), dx);
    return {dx, {}, {}};
  }
};

struct CpuSwiglu : torch::autograd::Function<CpuSwiglu> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& given) {
    const auto x = given.contiguous();
    ctx->save_for_backward({x});
    auto shape = x.sizes().vec();
    shape.back() /= 2;
    auto y = at::empty(shape, x.options());
    swiglu_forward_cpu(x, y);
    return y;
  }

  static tensor_list backward(AutogradContext* ctx, const tensor_list& gradients) {
    const auto x = ctx->get_saved_variables()[0];
    auto dx = at::empty_like(x);
    swiglu_backward_cpu(x, gradients[0].contiguous(), dx);
    return {dx};
  }
};

/// On other devices, of LibTorch's operators.
at::Tensor composed(Activation kind, const at::Tensor& x) {
  switch (kind) {
    case Activation::kGelu: return at::gelu(x);
    case Activation::kGeluTanh: return at::gelu(x, "tanh");
    case Activation::kRelu: return at::relu(x);
    case Activation::kRelu2: return at::relu(x).square();
    case Activation::kSwiglu: break;
  }
  const auto parts = x.to(at::kFloat).chunk(2, -1);
  return (at::silu(parts[0]) * parts[1]).to(x.scalar_type());
}

}  // namespace

at::Tensor activation(Activation kind, const at::Tensor& x) {
  if (!x.is_cpu()) return composed(kind, x);
  if (kind == Activation::kSwiglu) return CpuSwiglu::apply(x);
  return CpuActivation::apply(x, static_cast<int64_t>(kind), at::GradMode::is_enabled() && x.requires_grad());
}

at::Tensor swiglu(const at::Tensor& gate_up) { return activation(Activation::kSwiglu, gate_up); }

}  // namespace bessemer::models::ops
