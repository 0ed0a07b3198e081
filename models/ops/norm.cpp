#include "models/ops/norm.h"

namespace bessemer::models::ops {

at::Tensor norm(Norm kind, const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, double eps) {
  auto y = x.to(at::kFloat);
  if (kind == Norm::kLayerNorm) y = y - y.mean(-1, true);
  y = y * at::rsqrt((y * y).mean(-1, true) + eps) * weight.to(at::kFloat);
  if (bias.defined()) y = y + bias.to(at::kFloat);
  return y.to(x.scalar_type());
}

std::pair<at::Tensor, at::Tensor> add_norm(Norm kind, const at::Tensor& residual, const at::Tensor& x,
                                           const at::Tensor& weight, const at::Tensor& bias, double eps) {
  const auto sum = residual + x;
  return {sum, norm(kind, sum, weight, bias, eps)};
}

}  // namespace bessemer::models::ops
