#pragma once
#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "models/blocks/block.h"
#include "models/options.h"

namespace bessemer::models {

/// The norm at the head of a branch: it first adds to the residual stream what the branch before left.
class StreamNorm {
 public:
  StreamNorm(const std::string& name, const ModelOptions& options, bool partial_gradients);
  at::Tensor operator()(Pass& pass) const;  ///< the normed stream; pass.residual is the sum, pass.branch is taken
  void list(std::vector<Parameter*>& out);

 private:
  Norm kind_;
  double eps_;
  Parameter weight_;
  Parameter bias_;
};

}  // namespace bessemer::models
