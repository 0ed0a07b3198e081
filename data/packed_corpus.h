#pragma once
#include <memory>
#include <vector>

#include "data/corpus.h"
#include "data/shard_tokens.h"
#include "data/stretches.h"

namespace bessemer::data {

/// What corpora of token shards have in common.
class ShardCorpus : public Corpus {
 public:
  ShardCorpus(ShardTokens tokens, const Cut& cut) : all_(std::move(tokens)), cut_(cut) {}
  int64_t tokens() const override { return all_.size(); }
  int64_t sequence() const override { return cut_.sequence; }
  int64_t vocab_size() const override { return all_.facts().vocab_size; }
  std::string tokenizer_sha256() const override { return all_.facts().tokenizer_sha256; }
  std::string content_id() const override { return all_.facts().dataset_id; }
  bool has_loss_mask() const override { return all_.has_loss_mask(); }

 protected:
  /// \param least  tokens that it needs to hold.
  void check_room(int64_t row, const RowRoom& out, int64_t least) const;
  /// Takes from `counted`, of the targets from token `first` on, those that the loss mask leaves out.
  void leave_out(int64_t first, std::span<uint8_t> counted) const;

  ShardTokens all_;
  Cut cut_;
};

/// A part of a document in a row.
struct Piece {
  int64_t first;   ///< token of the split
  int64_t tokens;  ///< 2 to sequence + 1
};
using PackedRow = std::vector<Piece>;

/// Pieces into rows of `room` tokens: the longest first, each into the row with the least room that it fits in (best
/// fit decreasing). \return rows in the order in which they were begun, pieces in the order in which they were placed.
std::vector<PackedRow> pack(std::vector<Piece> pieces, int64_t room);

/// Whole documents in rows of sequence + 1 tokens: side by side (Mode::kPacked), or one to a row (kPadded). One longer
/// than a row is cut into pieces that share a token, so that each of its tokens but the first is predicted once.
///
/// Rows are made of stretches of the split of about 1 Mi tokens (those of the documents that begin there), of which
/// only the number of rows before each is kept; the stretch of a row is packed again when the row is read.
class PackedCorpus final : public ShardCorpus {
 public:
  PackedCorpus(ShardTokens tokens, const Cut& cut);
  int64_t rows() const override { return packed_.rows(); }
  bool has_documents() const override { return true; }
  int64_t row_tokens(int64_t row) const override;
  void read_row(int64_t row, const RowRoom& out) const override;

 private:
  std::vector<PackedRow> pack_stretch(int64_t stretch) const;

  Stretches<PackedRow> packed_;
  int64_t padding_;  ///< the id that fills a row
};

}  // namespace bessemer::data
