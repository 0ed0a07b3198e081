#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "data/options.h"

namespace bessemer::data {

class ShardTokens;  // data/shard_tokens.h

/// Room for one row of `sequence` positions, one fewer than there are tokens. An empty span is not wanted.
struct RowRoom {
  /// sequence + 1: inputs are all but the last, targets all but the first (without Cut::next_token the last is
  /// padding). Where rows are padded, room for row_tokens is enough.
  std::span<int64_t> tokens;
  std::span<int64_t> starts;   ///< sequence: where in the row each position's document begins
  std::span<uint8_t> counted;  ///< sequence: 1 where the target (without Cut::next_token the token) is of the same
                               ///< document, and its loss_mask is not 0
  std::span<uint8_t> segments = {};  ///< of pairs, sequence: 1 in the second segment, else 0
  int64_t* pair_label = nullptr;     ///< of pairs: 0 where the second segment follows the first, else 1
  uint64_t key = 0;                  ///< of pairs: what is left to chance is a function of (row, key)
};

/// The token shards of one split of a data directory, cut into rows.
class Corpus {
 public:
  /// Errors: Error (65) naming file, found and expected: missing, truncated, foreign, wrong dtype, incomplete set,
  /// checksum, token id >= vocab_size, fewer than sequence + 1 tokens, nothing to predict.
  static std::shared_ptr<const Corpus> open(const std::string& directory, const std::string& split, const Cut& cut);
  /// \param source  what the tokens are of, for errors.
  static std::shared_ptr<const Corpus> cut(ShardTokens tokens, const std::string& source, const std::string& split,
                                           const Cut& cut);
  virtual ~Corpus() = default;
  virtual int64_t tokens() const = 0;
  virtual int64_t sequence() const = 0;
  virtual int64_t rows() const = 0;  ///< in an epoch; of a stream (tokens - 1) / sequence
  /// Positions have documents: rows come with starts and counted.
  virtual bool has_documents() const = 0;
  /// Not all tokens are to be predicted: rows come with counted.
  virtual bool has_loss_mask() const { return false; }
  /// Rows are sentence pairs, with segments and a label.
  virtual bool has_pairs() const { return false; }
  virtual int64_t vocab_size() const = 0;
  virtual std::string tokenizer_sha256() const = 0;
  virtual std::string content_id() const = 0;  ///< dataset_id: same for equal builds; a resume checks it
  /// How many tokens of a row are not padding: sequence + 1 unless rows are padded.
  virtual int64_t row_tokens(int64_t /*row*/) const { return sequence() + 1; }
  /// Row `row` of [0, rows()). Checksums are verified as the cut says, ids < vocab_size checked. Any thread.
  virtual void read_row(int64_t row, const RowRoom& out) const = 0;
};

}  // namespace bessemer::data
