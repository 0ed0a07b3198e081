#pragma once
#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "models/blocks/block.h"
#include "models/blocks/linear.h"
#include "models/ops/rotary.h"
#include "models/options.h"

namespace bessemer::models {

/// Self-attention, causal or not, its heads split over tp: q | k | v in one product, grouped keys and values, learned
/// or rotary positions, perhaps a window and norms of queries and keys.
class SelfAttention {
 public:
  SelfAttention(const std::string& prefix, int64_t layer, const ModelOptions& options, const parallel::Group& tp,
                bool sequence_parallel);
  at::Tensor operator()(const at::Tensor& x, const Pass& pass) const;  ///< [s, b, h] -> [s, b, h]; or s / tp both
  KeyValues make_cache(int64_t max_tokens) const;
  void list(std::vector<Parameter*>& out);

 private:
  at::Tensor normed(const at::Tensor& heads) const;  ///< [s, b, (a + 2 a_kv) / tp, d], queries and keys normed
  at::Tensor cached(const at::Tensor& qkv,
                    const Pass& pass) const;  ///< [s, b, (a + 2 a_kv) / tp * d] -> [s, b, a / tp * d]

  parallel::Group tp_;
  int64_t layer_;
  int64_t heads_;     ///< of the model
  int64_t local_;     ///< query heads of this rank
  int64_t local_kv_;  ///< key-value heads of this rank
  int64_t width_;     ///< of one head, d
  bool rotary_;
  ops::Rotation rotation_;
  int64_t window_;
  double eps_;            ///< of the norms of queries and keys
  DropoutSite dropout_;   ///< of probabilities
  DropoutSite residual_;  ///< of the output
  ColumnLinear qkv_;
  RowLinear out_;
  Parameter q_norm_, k_norm_;  ///< [d], one for all heads; no name: none
};

}  // namespace bessemer::models
