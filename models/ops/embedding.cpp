#include "models/ops/embedding.h"

namespace bessemer::models::ops {

at::Tensor embedding(const at::Tensor& ids, const at::Tensor& weight, int64_t vocab_begin) {
  const auto local = ids - vocab_begin;
  const auto ours = at::logical_and(local.ge(0), local.lt(weight.size(0)));
  const auto rows = at::embedding(weight.to(at::kFloat), at::where(ours, local, 0));
  return (rows * ours.unsqueeze(-1)).to(weight.scalar_type());
}

at::Tensor add_positions(const at::Tensor& x, const at::Tensor& weight, int64_t first_position) {
  const auto rows = weight.narrow(0, first_position, x.size(0)).to(at::kFloat).unsqueeze(1);  // [s, 1, h]
  return (x.to(at::kFloat) + rows).to(x.scalar_type());
}

}  // namespace bessemer::models::ops
