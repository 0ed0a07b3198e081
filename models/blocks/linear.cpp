#include "models/blocks/linear.h"

#include "models/ops/gradient.h"
#include "models/ops/linear.h"
#include "parallel/collectives.h"

namespace bessemer::models {

namespace {

struct AddBias : torch::autograd::Function<AddBias> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x, const at::Tensor& bias) {
    context->save_for_backward({bias});
    return x + bias;
  }
  static torch::autograd::tensor_list backward(torch::autograd::AutogradContext* context,
                                               const torch::autograd::tensor_list& gradients) {
    const at::Tensor& dy = gradients[0];
    const at::Tensor sum = dy.reshape({-1, dy.size(-1)}).sum(0, false, at::kFloat);
    return {dy, ops::hand_over(context->get_saved_variables()[0], sum)};
  }
};

}  // namespace

at::Tensor add_bias(const at::Tensor& x, const at::Tensor& bias) { return AddBias::apply(x, bias); }

at::Tensor enter_tensor_parallel(const at::Tensor& x, const Pass& pass, const parallel::Group& tp) {
  if (tp.size() == 1) return x;
  return pass.sequence_parallel ? parallel::gather_sequence(x, tp) : parallel::copy_to(x, tp);
}

at::Tensor leave_tensor_parallel(const at::Tensor& x, const Pass& pass, const parallel::Group& tp) {
  if (tp.size() == 1) return x;
  return pass.sequence_parallel ? parallel::reduce_scatter_sequence(x, tp) : parallel::reduce_from(x, tp);
}

ColumnLinear::ColumnLinear(const std::string& prefix, const std::string& fused, const std::vector<Part>& outputs,
                           int64_t in, bool bias, double std, parallel::Group tp)
    : tp_(std::move(tp)) {
  std::vector<Part> weights, biases;
  for (const Part& output : outputs) {
    weights.push_back({prefix + output.name + ".weight", output.rows});
    biases.push_back({prefix + output.name + ".bias", output.rows});
  }
  weight_ = split_rows(prefix + fused + ".weight", weights, in, {Init::kNormal, std}, tp_);
  if (bias) bias_ = split_rows(prefix + fused + ".bias", biases, 0, {Init::kZeros, 0.0}, tp_);
}

at::Tensor ColumnLinear::operator()(const at::Tensor& x, const Pass& pass) const {
  return ops::linear(enter_tensor_parallel(x, pass, tp_), weight_.value, bias_.value);
}

void ColumnLinear::list(std::vector<Parameter*>& out) {
  out.push_back(&weight_);
  if (!bias_.name.empty()) out.push_back(&bias_);
}

RowLinear::RowLinear(const std::string& name, int64_t in, int64_t out, bool bias, double std, parallel::Group tp,
                     bool sequence_parallel)
    : tp_(std::move(tp)), weight_(split_columns(name + ".weight", out, in, {Init::kNormal, std}, tp_)) {
  if (bias) bias_ = whole(name + ".bias", {out}, {Init::kZeros, 0.0}, sequence_parallel && tp_.size() > 1);
}

at::Tensor RowLinear::operator()(const at::Tensor& x, const Pass& pass) const {
  if (tp_.size() == 1) return ops::linear(x, weight_.value, bias_.value);
  const at::Tensor y = leave_tensor_parallel(ops::linear(x, weight_.value), pass, tp_);
  return bias_.name.empty() ? y : add_bias(y, bias_.value);  // once, after the sum
}

void RowLinear::list(std::vector<Parameter*>& out) {
  out.push_back(&weight_);
  if (!bias_.name.empty()) out.push_back(&bias_);
}

}  // namespace bessemer::models
