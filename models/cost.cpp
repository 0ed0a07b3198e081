#include "models/cost.h"

#include <algorithm>
#include <cmath>

#include "models/blocks/parameters.h"
#include "models/ops/linear.h"

namespace bessemer::models {

namespace {

/// Weights that multiply every token: all matrices of the layers, and the output head (the embedding is looked up).
double matrix_weights(const ModelOptions& o, double head_share) {
  const int64_t attention = o.hidden * 2 * (o.heads + o.kv_heads) * o.head_dim;
  const int64_t mlp = (o.activation == Activation::kSwiglu ? 3 : 2) * o.hidden * o.ffn;
  const int64_t transform = o.family == Family::kBert ? o.hidden * o.hidden : 0;
  return static_cast<double>(o.layers * (attention + mlp)) +
         head_share * static_cast<double>(o.hidden * o.vocab + transform);
}

int64_t numel(const std::vector<int64_t>& shape) {
  int64_t n = 1;
  for (const int64_t size : shape) n *= size;
  return n;
}

/// Bytes per token of one micro-batch, of what one rank's tensors hold.
class TokenBytes {
 public:
  TokenBytes(const ModelOptions& o, int64_t tp, const CostCase& run)
      : o_(o), tp_(tp), e_(static_cast<int64_t>(at::elementSize(run.dtype))), on_gpu_(!run.device.is_cpu()),
        whole_(o.hidden * e_), stream_(run.sequence_parallel ? whole_ / tp : whole_),
        up_((o.activation == Activation::kSwiglu ? 2 : 1) * o.ffn / tp * e_) {}

  /// What autograd keeps of one layer until its backward, from what each operator saves (models/ops).
  int64_t layer() const {
    const int64_t norms = 2 * (stream_ + whole_ + kStatistics);  // the sum; the normed input of the next product
    const int64_t heads = o_.heads * o_.head_dim / tp_ * e_, keys = o_.kv_heads * o_.head_dim / tp_ * e_;
    const int64_t qkv = heads + 2 * keys + (o_.qk_norm ? heads + keys : 0);
    const int64_t out = 2 * heads + o_.heads / tp_ * kFloat;  // as attention and as the product keep it; log-sums
    return norms + qkv + out + probabilities() + up_ + o_.ffn / tp_ * e_;
  }
  /// What is kept of a layer that runs again in backward: the stream it begins with.
  int64_t input() const { return stream_; }
  /// The head, where its gradient has overwritten the logits: they, the last sum, its norm and that one's gradient.
  int64_t head(int64_t vocabulary_rows) const {
    return vocabulary_rows * e_ + 2 * kFloat + stream_ + 2 * whole_ + kStatistics;
  }
  /// In the backward of the last layer's MLP: gradients of the stream, of the branch, and of what the activation read.
  int64_t mlp_backward() const { return 2 * stream_ + up_; }
  /// In that of its attention, beyond what the MLP has given back: scores and two gradients of probabilities on a GPU.
  int64_t attention_backward() const {
    if (!drops_on_gpu()) return 0;
    const int64_t made = (2 * kFloat + e_) * o_.heads / tp_ * o_.sequence;
    return std::max<int64_t>(0, made - up_ - o_.ffn / tp_ * e_ - stream_ - whole_);
  }

 private:
  static constexpr int64_t kFloat = 4;
  static constexpr int64_t kStatistics = 2 * kFloat;  ///< mean and 1 / deviation of a row

  /// Under attention dropout a GPU keeps the dropped probabilities, [b, a / tp, s, s]; a CPU draws and makes them anew.
  int64_t probabilities() const { return drops_on_gpu() ? e_ * o_.heads / tp_ * o_.sequence : 0; }
  bool drops_on_gpu() const { return on_gpu_ && o_.attention_dropout > 0.0; }

  const ModelOptions& o_;
  int64_t tp_;
  int64_t e_;
  bool on_gpu_;
  int64_t whole_;   ///< a row of h on this rank where the sequence is whole
  int64_t stream_;  ///< a row of the residual stream
  int64_t up_;      ///< a row of the first product of the MLP
};

}  // namespace

// FLOPs: 6 per weight of a matrix and token (2 forward, 4 backward), and 12 L h s for the two products of attention,
// its causal half not taken off. Source: Chowdhery et al. 2022 (PaLM), appendix B; nanoGPT, model.py, estimate_mfu.
ModelCost transformer_cost(const ModelOptions& o, const std::vector<Parameter*>& parameters, const parallel::Group& tp,
                           const CostCase& run) {
  ModelCost cost;
  cost.flops_per_token = 6.0 * matrix_weights(o, run.head_share) +
                         12.0 * static_cast<double>(o.layers) * static_cast<double>(o.heads * o.head_dim * o.sequence);
  for (const Parameter* p : parameters) {
    for (const Piece& piece : p->pieces) cost.parameters += numel(piece.shape);
  }
  const TokenBytes bytes(o, tp.size(), run);
  const int64_t ids = 5 * static_cast<int64_t>(sizeof(int64_t));  // tokens and targets, both also transposed; ours
  const int64_t n = run.micro_batch * o.sequence, rows = vocabulary_slice(o.vocab, tp).rows;
  const auto in_head = static_cast<int64_t>(std::ceil(run.head_share * static_cast<double>(n)));
  // fp32 copies of what a 16-bit product reads and writes: n x in, n x out and the weight.
  const bool copies = ops::products_through_fp32(run.device, run.dtype);
  const auto copied = [&](int64_t count, int64_t out) {
    return copies ? 4 * (count * o.hidden + count * out + o.hidden * out) : 0;
  };
  const int64_t up = (o.activation == Activation::kSwiglu ? 2 : 1) * o.ffn / tp.size();
  const bool again = o.recompute == Recompute::kFull;
  const int64_t kept = again ? bytes.input() : bytes.layer();
  const int64_t at_work = again ? bytes.layer() + bytes.input() : 0;  // the layer that runs again, and its output
  const int64_t last =
      std::max(in_head * bytes.head(rows) + copied(in_head, rows),
               n * (at_work + std::max(bytes.mlp_backward(), bytes.attention_backward())) + copied(n, up));
  cost.activation_bytes = n * (o.layers * kept + ids) + last;
  return cost;
}

}  // namespace bessemer::models
