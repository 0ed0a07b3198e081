#pragma once
#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "models/blocks/block.h"
#include "models/blocks/parameters.h"
#include "parallel/group.h"

namespace bessemer::models {

// Source of the pair: Shoeybi et al. 2019 (Megatron-LM), section 3; under sequence parallelism Korthikanti et al. 2022.

/// A linear layer whose outputs are split over tp: several canonical matrices fused into one product.
class ColumnLinear {
 public:
  /// \param prefix  of the canonical names: prefix + output name + ".weight" (".bias")
  /// \param fused   name of the memory's tensor where there are several outputs
  ColumnLinear(const std::string& prefix, const std::string& fused, const std::vector<Part>& outputs, int64_t in,
               bool bias, double std, parallel::Group tp);
  /// [s, b, in], or [s / tp, b, in] under sequence parallelism -> [s, b, sum of outputs / tp]
  at::Tensor operator()(const at::Tensor& x, const Pass& pass) const;
  void list(std::vector<Parameter*>& out);
  at::TensorOptions memory() const { return weight_.value.options(); }  ///< dtype and device of the weights

 private:
  parallel::Group tp_;
  Parameter weight_;
  Parameter bias_;  ///< no name: none
};

/// A linear layer whose inputs are split over tp: partial products, summed over the ranks.
class RowLinear {
 public:
  RowLinear(const std::string& name, int64_t in, int64_t out, bool bias, double std, parallel::Group tp,
            bool sequence_parallel);
  /// [s, b, in / tp] -> [s, b, out], or [s / tp, b, out] under sequence parallelism
  at::Tensor operator()(const at::Tensor& x, const Pass& pass) const;
  void list(std::vector<Parameter*>& out);

 private:
  parallel::Group tp_;
  Parameter weight_;
  Parameter bias_;
};

/// What a column-parallel product reads: the whole sequence on every rank; backward sums over tp.
at::Tensor enter_tensor_parallel(const at::Tensor& x, const Pass& pass, const parallel::Group& tp);
/// What partial sums become: summed over tp, whole or our part of the sequence.
at::Tensor leave_tensor_parallel(const at::Tensor& x, const Pass& pass, const parallel::Group& tp);

/// x + bias, the bias's gradient summed in fp32 (LibTorch's sums 16 bits in 16 bits).
at::Tensor add_bias(const at::Tensor& x, const at::Tensor& bias);

}  // namespace bessemer::models
