#include "models/blocks/parameters.h"
#include "models/gpt.h"

namespace bessemer::models {

namespace {

/// Weights that multiply every token: all matrices of the layers, and the output head (the embedding is looked up).
double matrix_weights(const ModelOptions& o) {
  const int64_t d = o.hidden / o.heads;
  const int64_t attention = o.hidden * (o.hidden + 2 * o.kv_heads * d) + o.hidden * o.hidden;
  const int64_t mlp = (o.activation == Activation::kSwiglu ? 3 : 2) * o.hidden * o.ffn;
  return static_cast<double>(o.layers * (attention + mlp) + o.hidden * o.vocab);
}

int64_t numel(const std::vector<int64_t>& shape) {
  int64_t n = 1;
  for (const int64_t size : shape) n *= size;
  return n;
}

}  // namespace

ModelCost Gpt::cost(int64_t micro_batch, at::ScalarType dtype) const {
  const ModelOptions& o = options_;
  ModelCost cost;
  cost.flops_per_token =
      6.0 * matrix_weights(o) + 12.0 * static_cast<double>(o.layers) * static_cast<double>(o.hidden * o.sequence);
  for (const Parameter* p : parameters_) {
    for (const Piece& piece : p->pieces) cost.parameters += numel(piece.shape);
  }
  (void)micro_batch, (void)dtype;
  return cost;
}

}  // namespace bessemer::models
