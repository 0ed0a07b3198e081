#pragma once
#include <memory>
#include <vector>

#include "models/blocks/block.h"
#include "models/model.h"

namespace bessemer::models {

/// An encoder that predicts masked tokens: BERT's and RoBERTa's shapes by options (Devlin et al. 2019; Hugging Face's
/// BertForPreTraining, BertForMaskedLM and RobertaForMaskedLM compute the same). Post-norm, or pre-norm as
/// Megatron-LM's.
///
/// Canonical names: embed.{token,position,segment}.weight, embed.norm.*, h.N.attention.{q,k,v,out}.*, h.N.norm1.*,
/// h.N.mlp.{up,down}.*, h.N.norm2.*, norm.* (pre-norm only), head.transform.*, head.norm.*, head.bias, and with
/// pair_head pooler.*, pair.* (* = weight, and bias where there is one).
class Bert : public Model {
 public:
  Bert(const ModelOptions& options, const parallel::Grid& grid, bool sequence_parallel);
  ~Bert() override;

  /// Sum over the masked tokens ("predicted", batch.h), terms "mlm_accuracy"; with "pair_labels" (int64 [b], 0: the
  /// second segment follows the first) also "mlm_loss", "pair_loss" and "pair_accuracy", and the mean pair loss is part
  /// of the mean that sum / weight is. "segments", int64 [b, s], may be left out: all 0.
  LossSum loss(const data::Batch& batch, const Context& context) override;
  /// "logits", or with pair_head "prediction_logits" and "seq_relationship_logits" [b, 2].
  std::map<std::string, at::Tensor> outputs(const data::Batch& batch) override;
  at::Tensor hidden(const data::Batch& batch) override;
  /// Errors: Error (64): it does not generate.
  at::Tensor next_logits(const at::Tensor& tokens, const std::vector<Cache*>& caches) override;
  std::unique_ptr<Cache> make_cache(int64_t max_tokens) override;
  ModelCost cost(int64_t micro_batch, at::ScalarType dtype) const override;

  const std::vector<Block*>& blocks() const { return blocks_; }

 private:
  struct Embed;
  struct Layer;
  struct Head;
  struct Pooler;
  Pass prepared(const data::Batch& batch, const Context& context) const;  ///< before the first block
  /// All blocks but the pooler; the logits of `predicted`, or of all positions, are in it.
  Pass run(const data::Batch& batch, const Context& context, const at::Tensor& predicted);
  void add_pair_loss(const data::Batch& batch, const Pass& whole, LossSum& loss) const;

  parallel::Group tp_;
  at::Device device_;
  bool sequence_parallel_;
  std::unique_ptr<Embed> embed_;
  std::vector<std::unique_ptr<Layer>> layers_;
  std::unique_ptr<Head> head_;
  std::unique_ptr<Pooler> pooler_;
  std::vector<Block*> blocks_;
};

}  // namespace bessemer::models
