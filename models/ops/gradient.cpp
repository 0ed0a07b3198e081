#include "models/ops/gradient.h"

#include "models/ops/cpu_convert.h"

namespace bessemer::models::ops {

bool accumulates_in_place(const at::Tensor& parameter) {
  return parameter.is_leaf() && parameter.requires_grad() && parameter.grad().defined() &&
         parameter.grad().scalar_type() == parameter.scalar_type() && !at::GradMode::is_enabled();
}

at::Tensor hand_over(const at::Tensor& parameter, const at::Tensor& gradient) {
  if (!accumulates_in_place(parameter)) return gradient.to(parameter.scalar_type());
  add_rounded(parameter.grad(), gradient);
  return {};
}

}  // namespace bessemer::models::ops
