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
/// With a prefix in each document (prefix language modelling) also "ends", int64 [b, s]: where in its row that of each
/// position's document ends; the position sees all of it.
/// Masked language modelling: the same; "targets" are the tokens as they were, and "predicted", int64 [n], says where
/// in [s * b] (position by position, row within) loss_mask is not 0. With sentence pairs also "segments", int64 [b, s],
/// 1 in the second one; and "pair_labels", int64 [b], 0 where it follows the first, else 1.
struct Batch {
  std::map<std::string, at::Tensor> tensors;
  /// How many targets count, where a model has to know that of a whole step (two losses of different counts); else -1.
  int64_t targets = -1;
  int64_t first_row = 0;  ///< global row number (over the whole run) of row 0: random streams are functions of it

  const at::Tensor& operator[](const std::string& name) const { return tensors.at(name); }
  bool has(const std::string& name) const { return tensors.count(name) != 0; }
};

}  // namespace bessemer::data
