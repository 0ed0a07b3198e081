#include "models/ops/norm.h"

#include "models/ops/gradient.h"
#include "models/ops/norm_cpu.h"

namespace bessemer::models::ops {

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::tensor_list;
using Maybe = std::optional<at::Tensor>;

/// y = norm(x), or (sum, y) where there is a residual.
struct CpuNorm : torch::autograd::Function<CpuNorm> {
  static tensor_list forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& weight, const Maybe& bias,
                             const Maybe& residual, bool centered, double eps) {
    NormForward io{.centered = centered, .eps = eps, .x = x.contiguous(), .weight = weight};
    io.bias = bias.value_or(at::Tensor());
    io.y = at::empty_like(io.x);
    io.stats = at::empty({2, x.numel() / std::max<int64_t>(1, x.size(-1))}, x.options().dtype(at::kFloat));
    if (residual) {
      io.residual = residual->contiguous();
      io.sum = at::empty_like(io.x);
    }
    norm_forward_cpu(io);
    ctx->save_for_backward({residual ? io.sum : io.x, weight, io.bias, io.stats});
    ctx->saved_data["centered"] = centered;
    ctx->saved_data["residual"] = residual.has_value();
    ctx->set_materialize_grads(false);
    if (residual) return {io.sum, io.y};
    return {io.y};
  }

  static tensor_list backward(AutogradContext* ctx, const tensor_list& gradients) {
    const auto saved = ctx->get_saved_variables();
    const bool has_residual = ctx->saved_data["residual"].toBool();
    const auto& dy = gradients.back();
    if (!dy.defined()) return {gradients[0], {}, {}, has_residual ? gradients[0] : at::Tensor(), {}, {}};
    NormBackward io{
        .centered = ctx->saved_data["centered"].toBool(), .x = saved[0], .weight = saved[1], .stats = saved[3]};
    io.dy = dy.contiguous();
    if (has_residual && gradients[0].defined()) io.dsum = gradients[0].contiguous();
    io.dx = at::empty_like(io.x);
    norm_backward_cpu(io);
    const auto dweight = hand_over(saved[1], io.dweight);
    const auto dbias = saved[2].defined() ? hand_over(saved[2], io.dbias) : at::Tensor();
    return {io.dx, dweight, dbias, has_residual ? io.dx : at::Tensor(), {}, {}};
  }
};

/// On other devices, of LibTorch's operators, in fp32.
at::Tensor composed(Norm kind, const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, double eps) {
  auto y = x.to(at::kFloat);
  if (kind == Norm::kLayerNorm) y = y - y.mean(-1, true);
  y = y * at::rsqrt((y * y).mean(-1, true) + eps) * weight.to(at::kFloat);
  if (bias.defined()) y = y + bias.to(at::kFloat);
  return y.to(x.scalar_type());
}

}  // namespace

at::Tensor norm(Norm kind, const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, double eps) {
  if (!x.is_cpu()) return composed(kind, x, weight, bias, eps);
  return CpuNorm::apply(x, weight, maybe(bias), Maybe(), kind == Norm::kLayerNorm, eps)[0];
}

std::pair<at::Tensor, at::Tensor> add_norm(Norm kind, const at::Tensor& residual, const at::Tensor& x,
                                           const at::Tensor& weight, const at::Tensor& bias, double eps) {
  if (!x.is_cpu()) {
    const auto sum = residual + x;
    return {sum, composed(kind, sum, weight, bias, eps)};
  }
  const auto both = CpuNorm::apply(x, weight, maybe(bias), Maybe(residual), kind == Norm::kLayerNorm, eps);
  return {both[0], both[1]};
}

}  // namespace bessemer::models::ops
