#pragma once
#include <memory>
#include <vector>

#include "models/blocks/block.h"
#include "models/model.h"

namespace bessemer::models {

/// A decoder-only Transformer: GPT-2's and Llama's shapes, and what lies between, by options. Pre-norm.
///
/// Canonical names: embed.token.weight, embed.position.weight, h.N.norm1.*, h.N.attention.{q,k,v,out}.*, h.N.norm2.*,
/// h.N.mlp.{gate,up,down}.*, norm.*, head.weight (* = weight, and bias where there is one).
class Gpt : public Model {
 public:
  Gpt(const ModelOptions& options, const parallel::Grid& grid, bool sequence_parallel);
  ~Gpt() override;

  /// "loss_mask", where given, is 0 or 1.
  LossSum loss(const data::Batch& batch, const Context& context) override;
  std::map<std::string, at::Tensor> outputs(const data::Batch& batch) override;
  at::Tensor hidden(const data::Batch& batch) override;
  at::Tensor next_logits(const at::Tensor& tokens, const std::vector<Cache*>& caches) override;
  std::unique_ptr<Cache> make_cache(int64_t max_tokens) override;
  ModelCost cost(int64_t micro_batch, at::ScalarType dtype) const override;

  /// Embed, layer 0 ..., head: for whoever places hooks.
  const std::vector<Block*>& blocks() const { return blocks_; }

 private:
  struct Embed;
  struct Layer;
  struct Head;
  Pass prepared(const data::Batch& batch, const Context& context) const;  ///< before the first block
  Pass run(const data::Batch& batch, const Context& context);             ///< all blocks; the logits are in it

  parallel::Group tp_;
  at::Device device_;
  bool sequence_parallel_;
  std::unique_ptr<Embed> embed_;
  std::vector<std::unique_ptr<Layer>> layers_;
  std::unique_ptr<Head> head_;
  std::vector<Block*> blocks_;
};

}  // namespace bessemer::models
