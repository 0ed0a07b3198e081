#pragma once
#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "models/blocks/block.h"
#include "models/blocks/linear.h"
#include "models/options.h"

namespace bessemer::models {

/// The feed-forward branch, its f split over tp; SwiGLU's gate and up in one product.
class Mlp {
 public:
  Mlp(const std::string& prefix, const ModelOptions& options, const parallel::Group& tp, bool sequence_parallel);
  at::Tensor operator()(const at::Tensor& x, const Pass& pass) const;  ///< [s, b, h] -> [s, b, h]; or s / tp both
  void list(std::vector<Parameter*>& out);

 private:
  parallel::Group tp_;
  Activation activation_;
  DropoutSite residual_;
  ColumnLinear up_;
  RowLinear down_;
};

}  // namespace bessemer::models
