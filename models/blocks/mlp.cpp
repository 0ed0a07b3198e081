#include "models/blocks/mlp.h"

#include <cmath>

#include "models/ops/activation.h"

namespace bessemer::models {

namespace {

std::vector<Part> outputs(const ModelOptions& o) {
  if (o.activation == Activation::kSwiglu) return {{"gate", o.ffn}, {"up", o.ffn}};
  return {{"up", o.ffn}};
}

}  // namespace

Mlp::Mlp(const std::string& prefix, const ModelOptions& o, const parallel::Group& tp, bool sequence_parallel)
    : tp_(tp), activation_(o.activation), residual_(prefix + "down", o.residual_dropout),
      up_(prefix, o.activation == Activation::kSwiglu ? "gate_up" : "up", outputs(o), o.hidden, o.bias, o.init_std, tp),
      down_(prefix + "down", o.ffn, o.hidden, o.bias, residual_std(o), tp, sequence_parallel) {}

at::Tensor Mlp::operator()(const at::Tensor& x, const Pass& pass) const {
  at::Tensor y = up_(x, pass);  // [s, b, f / tp], SwiGLU: [s, b, 2 f / tp]
  y = activation_ == Activation::kSwiglu ? ops::swiglu(y) : ops::activation(activation_, y);  // [s, b, f / tp]
  return residual_(down_(y, pass), pass, tp_);                                                // [s, b, h]
}

void Mlp::list(std::vector<Parameter*>& out) {
  up_.list(out);
  down_.list(out);
}

}  // namespace bessemer::models
