#pragma once
#include <map>
#include <string>
#include <vector>

#include "trainer/weight_source.h"

namespace bessemer::trainer {

/// A source as a model of a larger vocabulary reads it: the rows that it has not, of the token embedding, an untied
/// head and a head's bias, are the mean of those that it has.
///
/// The mean is taken (in fp64, row by row, so the same on every layout) by a rank that reads such a row.
/// Source: Hugging Face transformers, resize_token_embeddings(mean_resizing=True), without its noise; J. Hewitt,
/// "Initializing New Word Embeddings for Pretrained Language Models", 2021.
class GrownWeights final : public WeightSource {
 public:
  /// \param vocab  rows that the model has; at least the source's. Errors: Error (64) where they are fewer.
  GrownWeights(const WeightSource& source, int64_t vocab);
  int64_t old_vocab() const { return old_vocab_; }  ///< the source's

  const std::string& path() const override { return source_.path(); }
  std::vector<std::string> weights() const override { return source_.weights(); }
  bool has_weight(const std::string& name) const override { return source_.has_weight(name); }
  const std::vector<int64_t>& weight_shape(const std::string& name) const override;
  void read_weight(const std::string& name, int64_t dim, int64_t begin, int64_t end, int64_t first, int64_t count,
                   float* out) const override;

 private:
  const std::vector<float>& mean_row(const std::string& name) const;
  const WeightSource& source_;
  int64_t old_vocab_ = 0;
  std::map<std::string, std::vector<int64_t>> shapes_;  ///< of the tensors that grow
  mutable std::map<std::string, std::vector<float>> means_;
};

}  // namespace bessemer::trainer
