#pragma once
#include <ATen/core/Tensor.h>

#include <string>

#include "models/blocks/block.h"
#include "models/blocks/parameters.h"

namespace bessemer::models {

/// A matrix [v, h] with its rows split over tp, any v: read by token as an embedding, or multiplied with as an output
/// head; both where the two are tied.
class VocabularyMatrix {
 public:
  VocabularyMatrix(const std::string& name, const ModelOptions& options, const parallel::Group& tp);
  at::Tensor embed(const Pass& pass) const;                        ///< [s, b, h], or [s / tp, b, h]
  at::Tensor logits(const at::Tensor& x, const Pass& pass) const;  ///< -> [s, b, v / tp]
  /// [n, h], the same on every rank of tp, -> [n, v / tp]; `bias` [v / tp].
  at::Tensor logits_of(const at::Tensor& x, const at::Tensor& bias) const;
  /// How many targets (int64 [n]) have the largest logit of their row of [n, v / tp], equal ones counted: scalar, the
  /// same on every rank. No gradients. Collective over tp.
  at::Tensor hits(const at::Tensor& logits, const at::Tensor& targets) const;
  at::Tensor gather(const at::Tensor& logits) const;  ///< [b, v / tp] -> fp32 [b, v], without padding
  const VocabularySlice& slice() const { return slice_; }
  Parameter& weight() { return weight_; }

 private:
  parallel::Group tp_;
  int64_t vocab_;
  VocabularySlice slice_;
  Parameter weight_;
};

}  // namespace bessemer::models
