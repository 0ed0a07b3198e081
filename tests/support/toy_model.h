#pragma once
#include <ATen/ATen.h>

#include <memory>
#include <string>
#include <vector>

#include "models/model.h"

namespace bessemer::tests {

/// The smallest language model that has a matrix used twice, a matrix and a vector: tied embedding, one layer, one
/// bias. Plain ATen, no tensor parallelism: for what the trainer does, not for what models do.
class ToyModel : public models::Model {
 public:
  static constexpr int64_t kVocab = 37, kHidden = 16, kSequence = 8;
  ToyModel() : models::Model(shape()) {
    add("embed", {kVocab, kHidden}, true, models::Init::kNormal);
    add("mix", {kHidden, kHidden}, true, models::Init::kNormal);
    add("bias", {kVocab}, false, models::Init::kZeros);
    for (auto& parameter : owned_) parameters_.push_back(parameter.get());
  }
  models::LossSum loss(const data::Batch& batch, const models::Context&) override {
    const auto& embed = owned_[0]->value;
    const auto hidden = at::embedding(embed, batch["tokens"]).matmul(owned_[1]->value).tanh();
    const auto logits = (hidden.matmul(embed.t()) + owned_[2]->value).to(at::kFloat).reshape({-1, kVocab});
    const auto sum = at::nll_loss(at::log_softmax(logits, 1), batch["targets"].reshape({-1}), {}, at::Reduction::Sum);
    return {sum * loss_factor, batch["targets"].numel(), batch["targets"].numel(), {}};
  }
  std::map<std::string, at::Tensor> outputs(const data::Batch&) override { return {}; }
  at::Tensor hidden(const data::Batch&) override { return {}; }
  at::Tensor next_logits(const at::Tensor&, const std::vector<models::Cache*>&) override { return {}; }
  std::unique_ptr<models::Cache> make_cache(int64_t) override { return nullptr; }
  models::ModelCost cost(int64_t, at::ScalarType) const override { return {}; }

  double loss_factor = 1;  ///< inf or nan: a step that breaks

 private:
  static models::ModelOptions shape() {
    models::ModelOptions options;
    options.sequence = kSequence, options.vocab = kVocab, options.hidden = kHidden;
    return options;
  }
  void add(const std::string& name, std::vector<int64_t> size, bool decay, models::Init init) {
    auto parameter = std::make_unique<models::Parameter>();
    parameter->name = name, parameter->local_shape = size, parameter->decay = decay;
    models::Piece piece;
    piece.name = name, piece.shape = size, piece.end = piece.rows = size[0], piece.init = init, piece.init_std = 0.3f;
    parameter->pieces = {piece};
    owned_.push_back(std::move(parameter));
  }
  std::vector<std::unique_ptr<models::Parameter>> owned_;
};

/// Row k of step t of a run on random tokens: a function of (t, k), as the loader's rows are.
inline data::Batch toy_batch(int64_t first_row, int64_t rows) {
  const auto all = at::empty({rows, ToyModel::kSequence + 1}, at::kLong);
  for (int64_t r = 0; r < rows; ++r) {
    uint64_t x = static_cast<uint64_t>(first_row + r) * 2654435761u + 12345;
    for (int64_t i = 0; i <= ToyModel::kSequence; ++i) {
      x = x * 6364136223846793005u + 1442695040888963407u;
      all[r][i] = static_cast<int64_t>((x >> 33) % ToyModel::kVocab);
    }
  }
  data::Batch batch;
  batch.first_row = first_row;
  batch.tensors["tokens"] = all.narrow(1, 0, ToyModel::kSequence).contiguous();
  batch.tensors["targets"] = all.narrow(1, 1, ToyModel::kSequence).contiguous();
  return batch;
}

}  // namespace bessemer::tests
