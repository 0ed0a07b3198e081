#include "models/ops/linear.h"

#include "models/ops/gradient.h"

namespace bessemer::models::ops {

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::tensor_list;

at::Tensor rows_of(const at::Tensor& x) { return x.reshape({-1, x.size(-1)}); }  // [rows, in]

struct Linear : torch::autograd::Function<Linear> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& weight,
                            const std::optional<at::Tensor>& maybe_bias) {
    const auto bias = maybe_bias.value_or(at::Tensor());
    ctx->save_for_backward({x, weight, bias});
    auto shape = x.sizes().vec();
    shape.back() = weight.size(0);
    const auto rows = rows_of(x);
    const auto y = bias.defined() ? at::addmm(bias, rows, weight.t()) : at::mm(rows, weight.t());
    return y.view(shape);
  }

  static tensor_list backward(AutogradContext* ctx, const tensor_list& gradients) {
    const auto saved = ctx->get_saved_variables();
    const auto& [x, weight, bias] = std::tie(saved[0], saved[1], saved[2]);
    const auto dy = rows_of(gradients[0]);  // [rows, out]
    at::Tensor dx, dweight, dbias;
    if (ctx->needs_input_grad(0)) dx = at::mm(dy, weight).view(x.sizes());
    if (ctx->needs_input_grad(1)) {
      if (accumulates_in_place(weight)) {
        auto grad = weight.grad();
        at::addmm_out(grad, grad, dy.t(), rows_of(x));
      } else {
        dweight = at::mm(dy.t(), rows_of(x));
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
