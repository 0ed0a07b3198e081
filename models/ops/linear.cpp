#include "models/ops/linear.h"

#include <ATen/cpu/Utils.h>

#include "models/ops/gradient.h"

namespace bessemer::models::ops {

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::tensor_list;

/// True where 16-bit products are best made in fp32: a CPU without matrix tiles (AMX). Measured on a Xeon with avx512_bf16
/// but no AMX, one core, 768 x 128 x 128: fp32 165 GFLOP/s, bf16 by oneDNN or MKL 40 (vdpbf16ps itself reaches 89, half of
/// what fp32's vfmadd231ps does), so that converting first is four times faster. The sums are fp32 either way.
bool through_fp32(const at::Tensor& x) {
  static const bool tiles = at::cpu::init_amx();  // asks the kernel for them, once
  return x.is_cpu() && x.scalar_type() != at::kFloat && !tiles;
}

at::Tensor rows_of(const at::Tensor& x) { return x.reshape({-1, x.size(-1)}); }  // [rows, in]

/// a b + bias
at::Tensor product(const at::Tensor& a, const at::Tensor& b, const at::Tensor& bias) {
  if (through_fp32(a)) {
    const auto a32 = a.to(at::kFloat), b32 = b.to(at::kFloat);
    return (bias.defined() ? at::addmm(bias.to(at::kFloat), a32, b32) : at::mm(a32, b32)).to(a.scalar_type());
  }
  return bias.defined() ? at::addmm(bias, a, b) : at::mm(a, b);
}

/// sum += a b
void add_product(at::Tensor sum, const at::Tensor& a, const at::Tensor& b) {
  if (through_fp32(a)) {
    sum.add_(at::mm(a.to(at::kFloat), b.to(at::kFloat)));
  } else {
    at::addmm_out(sum, sum, a, b);
  }
}

struct Linear : torch::autograd::Function<Linear> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& weight,
                            const std::optional<at::Tensor>& maybe_bias) {
    const auto bias = maybe_bias.value_or(at::Tensor());
    ctx->save_for_backward({x, weight, bias});
    auto shape = x.sizes().vec();
    shape.back() = weight.size(0);
    const auto rows = rows_of(x);
    return product(rows, weight.t(), bias).view(shape);
  }

  static tensor_list backward(AutogradContext* ctx, const tensor_list& gradients) {
    const auto saved = ctx->get_saved_variables();
    const auto& [x, weight, bias] = std::tie(saved[0], saved[1], saved[2]);
    const auto dy = rows_of(gradients[0]);  // [rows, out]
    at::Tensor dx, dweight, dbias;
    if (ctx->needs_input_grad(0)) dx = product(dy, weight, {}).view(x.sizes());
    if (ctx->needs_input_grad(1)) {
      if (accumulates_in_place(weight)) {
        add_product(weight.grad(), dy.t(), rows_of(x));
      } else {
        dweight = product(dy.t(), rows_of(x), {});
      }
    }
    if (bias.defined() && ctx->needs_input_grad(2)) dbias = hand_over(bias, at::sum(dy, {0}, false, at::kFloat));
    return {dx, dweight, dbias};
  }
};

}  // namespace

at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  return Linear::apply(x, weight, maybe(bias));
}

}  // namespace bessemer::models::ops
