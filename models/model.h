#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "data/batch.h"
#include "models/options.h"
#include "parallel/grid.h"

namespace bessemer::models {

enum class Init { kNormal, kZeros, kOnes };

/// One canonical tensor (or our slice of it) inside a parameter: checkpoints and initial weights know only these.
///
/// Rows [row, row + rows) of the parameter (dimension 0) are global[..., begin:end, ...] along dimension `dim`.
/// A parameter may hold several (q, k and v fused into one matrix) and rows of padding that no piece covers.
struct Piece {
  std::string name;            ///< canonical, for example "h.3.attention.q.weight"
  std::vector<int64_t> shape;  ///< of the global tensor, unsplit, unpadded
  int64_t dim = 0;             ///< the dimension that tp splits (0 where nothing is split: begin 0, end shape[0])
  int64_t begin = 0;
  int64_t end = 0;
  int64_t row = 0;  ///< first row in the parameter
  int64_t rows = 0;
  Init init = Init::kNormal;
  float init_std = 0.02f;
};

/// A tensor that is trained. The model makes the spec; the trainer makes the memory (views of flat buffers).
struct Parameter {
  std::string name;  ///< of the memory's tensor, for messages: "h.3.attention.qkv.weight"
  std::vector<int64_t> local_shape;
  std::vector<Piece> pieces;
  bool decay = true;         ///< weight decay: no for vectors
  bool replicated = false;   ///< every tp rank holds it whole: tp rank 0 counts it in norms and writes it
  bool sum_over_tp = false;  ///< its gradient is a partial sum per tp rank (norms under sequence parallelism)
  int uses = 1;              ///< times its gradient arrives in one backward
  at::Tensor value;          ///< leaf, requires grad while training; `.grad` is a view of a flat buffer, same dtype
};

/// What a forward pass may depend on besides the batch and the weights.
struct Context {
  uint64_t seed = 0;
  int64_t step = 0;
  bool training = false;  ///< dropout on
  /// With two losses: counted targets of the first for each of the second, over the whole step; 0: of this batch alone.
  double targets_per_label = 0;
};

/// A number beside the loss that a step reports as sum / weight over the global batch ("mlm_accuracy").
struct Term {
  std::string name;
  at::Tensor sum;  ///< scalar, detached; the same on every rank of tp
  int64_t weight = 0;
  bool part = false;  ///< the loss that people see is the sum of the means of such terms; none: that of LossSum
};

/// A loss is a sum and the number of tokens counted in it, never a mean (DESIGN, contract "Loss").
struct LossSum {
  at::Tensor sum;           ///< fp32 scalar, differentiable; the same on every rank of tp
  int64_t weight = 0;       ///< counted tokens
  int64_t tokens = 0;       ///< tokens that were read: what throughput and train.tokens count
  std::vector<Term> terms;  ///< the same names in every batch of a run
};

/// FLOPs and bytes that the trainer prints and the planner predicts.
struct ModelCost {
  double flops_per_token =
      0;  ///< forward and backward, matrix products only (attention included, causal half not taken off)
  int64_t parameters = 0;        ///< global, embeddings included
  int64_t activation_bytes = 0;  ///< predicted peak of one rank for one micro-batch, above parameters and gradients
};

/// Keys and values of the tokens of one row that were seen already, for generation; made and read by the model.
class Cache {
 public:
  virtual ~Cache() = default;
  bool prefix = false;  ///< the tokens of its first call all see each other (prefix language modelling)
};

/// A network: an ordered list of blocks (embed, block i ..., head), built for its place in the tensor-parallel group.
///
/// Usage: construct; `parameters()`; give each `value` memory (allocate()); then call. Calls are collective over tp.
class Model {
 public:
  virtual ~Model() = default;
  virtual LossSum loss(const data::Batch& batch, const Context& context) = 0;
  /// What the model says of a batch, by Hugging Face's names, for whoever checks it: a causal model "logits", fp32
  /// [b, s, v] (whole vocabulary, no padding). No dropout, no gradients.
  virtual std::map<std::string, at::Tensor> outputs(const data::Batch& batch) = 0;
  /// The stream that the head reads, fp32 [b, s, h]: what a text means. No dropout, no gradients.
  virtual at::Tensor hidden(const data::Batch& batch) = 0;
  /// Logits of the last position, fp32 [b, v] (whole vocabulary, no padding), for tokens int64 [b, n] that follow what
  /// `caches` hold, one of each row, of any lengths; each grows by n. No gradients.
  virtual at::Tensor next_logits(const at::Tensor& tokens, const std::vector<Cache*>& caches) = 0;
  virtual std::unique_ptr<Cache> make_cache(int64_t max_tokens) = 0;
  /// In the order in which forward uses them (gradients become ready in about the reverse order).
  std::vector<Parameter*> parameters() { return parameters_; }
  virtual ModelCost cost(int64_t micro_batch, at::ScalarType dtype) const = 0;
  const ModelOptions& options() const { return options_; }

 protected:
  explicit Model(ModelOptions options) : options_(std::move(options)) {}
  ModelOptions options_;
  std::vector<Parameter*> parameters_;
};

/// Builds the model of `options.family` (options complete: no zeros meaning "default"; see resolve()).
/// Errors: Error (64) naming the option and the values that do not fit (heads not divisible by tp ...).
std::unique_ptr<Model> make_model(const ModelOptions& options, const parallel::Grid& grid, bool sequence_parallel);

/// Gives every parameter memory of its own (for evaluation and generation; training uses flat buffers).
void allocate(Model& model, at::ScalarType dtype, at::Device device);
/// Fills `out`, the memory of `parameter` as fp32 on the host, with its initial values: functions of (seed, piece name,
/// global index), the same bits on every layout. Rows of padding become zero.
void initialize(const Parameter& parameter, uint64_t seed, at::Tensor& out);

}  // namespace bessemer::models
