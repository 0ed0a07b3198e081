#include "models/blocks/norm.h"

#include "models/blocks/parameters.h"
#include "models/ops/norm.h"

namespace bessemer::models {

StreamNorm::StreamNorm(const std::string& name, const ModelOptions& options, bool partial_gradients)
    : kind_(options.norm), eps_(options.norm_eps),
      weight_(whole(name + ".weight", {options.hidden}, {Init::kOnes, 0.0}, partial_gradients)) {
  if (options.bias && kind_ == Norm::kLayerNorm) {
    bias_ = whole(name + ".bias", {options.hidden}, {Init::kZeros, 0.0}, partial_gradients);
  }
}

at::Tensor StreamNorm::operator()(Pass& pass) const {
  if (!pass.branch.defined()) return ops::norm(kind_, pass.residual, weight_.value, bias_.value, eps_);
  at::Tensor normed;
  std::tie(pass.residual, normed) = ops::add_norm(kind_, pass.residual, pass.branch, weight_.value, bias_.value, eps_);
  pass.branch.reset();
  return normed;
}

void StreamNorm::list(std::vector<Parameter*>& out) {
  out.push_back(&weight_);
  if (!bias_.name.empty()) out.push_back(&bias_);
}

}  // namespace bessemer::models
