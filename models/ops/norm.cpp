#include "models/ops/norm.h"

#include "models/ops/gradient.h"
#include "models/ops/norm_cpu.h"
#include "models/ops/on_gpu.h"

namespace bessemer::models::ops {

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::tensor_list;
using Maybe = std::optional<at::Tensor>;

void norm_forward(NormForward& io) {
  if (io.x.is_cpu()) return norm_forward_cpu(io);
  norm_forward_cuda({cuda_type(io.x), io.centered, static_cast<float>(io.eps), io.stats.size(1), io.x.size(-1),
                     data_of(io.residual), data_of(io.x), data_of(io.weight), data_of(io.bias), written(io.sum),
                     written(io.y), io.stats.mutable_data_ptr<float>()},
                    stream_of(io.x));
}

void norm_backward(NormBackward& io) {
  if (io.x.is_cpu()) return norm_backward_cpu(io);
  const int64_t rows = io.stats.size(1), blocks = norm_gradient_blocks(rows);
  const auto parts = at::empty({2, blocks, io.x.size(-1)}, io.stats.options());
  norm_backward_cuda({cuda_type(io.x), io.centered, rows, io.x.size(-1), data_of(io.x), data_of(io.weight),
                      io.stats.const_data_ptr<float>(), data_of(io.dy), data_of(io.dsum), written(io.dx),
                      parts.mutable_data_ptr<float>(), blocks},
                     stream_of(io.x));
  const auto sums = parts.sum(1);
  io.dweight = sums[0], io.dbias = sums[1];
}

/// y = norm(x), or (sum, y) where there is a residual.
struct FusedNorm : torch::autograd::Function<FusedNorm> {
  static tensor_list forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& weight, const Maybe& bias,
                             const Maybe& residual, bool centered, double eps) {
    NormForward io{.centered = centered, .eps = eps, .x = x.contiguous(), .weight = weight.contiguous()};
    io.bias = bias.value_or(at::Tensor());
    io.y = at::empty_like(io.x);
    io.stats = at::empty({2, x.numel() / std::max<int64_t>(1, x.size(-1))}, x.options().dtype(at::kFloat));
    if (residual) {
      io.residual = residual->contiguous();
      io.sum = at::empty_like(io.x);
    }
    norm_forward(io);
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
    norm_backward(io);
    const auto dweight = hand_over(saved[1], io.dweight);
    const auto dbias = saved[2].defined() ? hand_over(saved[2], io.dbias) : at::Tensor();
    return {io.dx, dweight, dbias, has_residual ? io.dx : at::Tensor(), {}, {}};
  }
};

}  // namespace

at::Tensor norm(Norm kind, const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, double eps) {
  return FusedNorm::apply(x, weight, maybe(bias), Maybe(), kind == Norm::kLayerNorm, eps)[0];
}

std::pair<at::Tensor, at::Tensor> add_norm(Norm kind, const at::Tensor& residual, const at::Tensor& x,
                                           const at::Tensor& weight, const at::Tensor& bias, double eps) {
  const auto both = FusedNorm::apply(x, weight, maybe(bias), Maybe(residual), kind == Norm::kLayerNorm, eps);
  return {both[0], both[1]};
}

}  // namespace bessemer::models::ops
