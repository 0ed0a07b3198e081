#pragma once
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "data/token_shard.h"

namespace bessemer::data {

/// Cuts a stream of tokens, the documents of one split, into its shards, at exact counts.
///
/// A document that crosses such a cut ends there and goes on as the first document of the next shard.
class ShardSink {
 public:
  /// \param facts   what all shards have in common.
  /// \param tokens  of the split; none make no shard.
  ShardSink(std::string directory, const ShardFacts& facts, const std::string& split, uint64_t tokens,
            uint64_t shard_tokens);
  /// \param loss_mask  of each id, where facts.loss_mask.
  /// \param goes_on    the first of these tokens belong to a document that began in another split.
  /// Errors: Error (65) where there are more than was said.
  void append(std::span<const uint32_t> ids, std::span<const uint8_t> loss_mask = {}, bool goes_on = false);
  void end_document();
  void end_sentence();
  /// Completes the last shard. Errors: Error (65) where fewer tokens came than was said: an input changed under us.
  std::vector<ShardFacts> finish();

 private:
  void open_next();
  uint64_t planned() const;  ///< tokens of the shard at hand
  std::string directory_;
  ShardFacts facts_;
  uint64_t tokens_, shard_tokens_, count_;
  std::vector<ShardFacts> done_;            ///< without their sources
  std::optional<TokenShardWriter> writer_;  ///< of shard done_.size()
  bool within_document_ = false;            ///< tokens came since the last end of a document
  bool document_in_shard_ = false;          ///< likewise, and in this shard
};

}  // namespace bessemer::data
