#pragma once
#include <ATen/core/Tensor.h>

#include <functional>
#include <string>
#include <vector>

#include "models/model.h"
#include "models/ops/dropout.h"
#include "parallel/group.h"

namespace bessemer::models {

/// Keys and values that one attention layer keeps of one row for generation: [max_tokens, 1, a_kv / tp, d].
struct KeyValues {
  at::Tensor keys;
  at::Tensor values;
};

/// What all attention layers keep of one row.
struct RowCache : Cache {
  std::vector<KeyValues> layers;
  int64_t length = 0;    ///< tokens that it holds
  int64_t capacity = 0;  ///< max_tokens
};

/// One trip through the blocks: what they are told, and what each leaves for the next.
struct Pass {
  Context context;
  int64_t first_row = 0;  ///< global row of the micro-batch's first
  bool sequence_parallel = false;
  bool causal = true;
  std::vector<RowCache*> caches;  ///< one per row; empty where nothing is kept

  at::Tensor tokens;  ///< int64 [s, b]
  at::Tensor
      starts;  ///< int64 [b, s]: the first position that each one sees (its document's, its window's); undefined: 0
  at::Tensor ends;       ///< int64 [b, s]: where the prefix ends that it sees whole; undefined: none
  at::Tensor positions;  ///< int64 [s, b]: within the document; undefined: i
  at::Tensor segments;   ///< bert: int64 [s, b]; undefined: all 0
  at::Tensor predicted;  ///< bert: int64 [n], where in [s * b] the head looks; undefined: everywhere
  at::Tensor residual;   ///< the residual stream [s, b, h], or [s / tp, b, h] under sequence parallelism
  at::Tensor branch;     ///< what the next norm adds to it in one pass; undefined after the embedding
  at::Tensor logits;     ///< [s, b, v / tp]
};

/// A pass over a batch's "tokens" and "starts", at its beginning. Errors: Error (64) for rows longer than the model's.
Pass pass_of(const data::Batch& batch, const Context& context, const ModelOptions& options, bool sequence_parallel);

/// A dropout at one place of the network: off in evaluation, its mask the same on every layout.
class DropoutSite {
 public:
  DropoutSite(const std::string& name, double p) : purpose_("dropout/" + name), p_(p) {}
  /// \param x  what this rank holds of [s, b, h]: all of it, or its rows of the sequence
  at::Tensor operator()(const at::Tensor& x, const Pass& pass, const parallel::Group& tp) const;
  bool active(const Pass& pass) const { return pass.context.training && p_ > 0.0; }
  double p() const { return p_; }
  uint64_t key(const Pass& pass) const;

 private:
  std::string purpose_;
  double p_;
};

/// A link in the chain of a model. Whoever moves weights (sharded, offloaded, recomputed) does it in the two hooks;
/// nothing touches a block's weights outside of `run`.
class Block {
 public:
  explicit Block(std::string name) : name_(std::move(name)) {}
  virtual ~Block() = default;
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;

  void run(Pass& pass) {
    if (before) before(*this);
    forward(pass);
    if (after) after(*this);
  }
  const std::string& name() const { return name_; }
  const std::vector<Parameter*>& parameters() const { return parameters_; }  ///< those that `forward` reads

  std::function<void(Block&)> before;
  std::function<void(Block&)> after;

 protected:
  virtual void forward(Pass& pass) = 0;
  std::vector<Parameter*> parameters_;

 private:
  std::string name_;
};

/// What the blocks read, in the order of their use, each once.
std::vector<Parameter*> parameters_of(const std::vector<Block*>& blocks);

}  // namespace bessemer::models
