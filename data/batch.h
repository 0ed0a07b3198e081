#pragma once
#include <ATen/core/Tensor.h>

#include <map>
#include <string>

namespace bessemer::data {

/// Named tensors of one micro-batch; only the model family's file interprets them.
///
/// Causal language modelling: "tokens" and "targets", int64 [b, s] (row-major, host or device memory), and
/// "loss_mask", fp32 [b, s] or absent (every target counts), and "starts", int64 [b, s] or absent: where in its row the
/// document of each position begins; attention and positions then begin anew there.
/// Masked language modelling: the same; "targets" are the tokens as they were, and "predicted", int64 [n], says where
/// in [s * b] (position by position, row within) loss_mask is not 0.
struct Batch {
  std::map<std::string, at::Tensor> tensors;
  int64_t first_row = 0;  ///< global row number (over the whole run) of row 0: random streams are functions of it

  const at::Tensor& operator[](const std::string& name) const { return tensors.at(name); }
  bool has(const std::string& name) const { return tensors.count(name) != 0; }
};

}  // namespace bessemer::data
