#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "data/tokenizers/byte_trie.h"
#include "data/tokenizers/parts.h"
#include "data/tokenizers/scored_pieces.h"

namespace bessemer::data {

/// BPE as SentencePiece does it: two neighbours merge where their texts together are a piece, the piece of the highest
/// score first, the leftmost of equals. O(n log n).
///
/// Pieces that the user defined are cut out first and never merge. An unused piece takes part, and falls apart again
/// into what it was last seen to be merged from, anywhere in the text. Source: sentencepiece 0.2.3, bpe_model.cc,
/// SampleEncode.
class SpBpe final : public PieceModel {
 public:
  explicit SpBpe(ScoredPieces pieces);

  const char* kind() const override { return "bpe"; }
  void encode(std::string_view piece, Scratch& scratch, TokenIds& out) const override;
  int64_t vocab_size() const override { return static_cast<int64_t>(pieces_.size()); }
  std::string_view token(uint32_t id) const override { return pieces_.bytes_of(id); }

  /// Whether a text that is cut before a U+2581 that follows another character gives the ids of the whole.
  bool words_begin_with_space() const { return words_ == Words::kBeginWithSpace; }

 private:
  // Symbols are ids of pieces, then characters that are none but may become part of one, then kNone. A frozen one has
  // the top bit set.
  using Symbol = Scratch::Symbol;
  using Symbols = std::vector<Symbol>;
  enum class Words { kNone, kBeginWithSpace, kEndWithSpace };
  struct Merge {
    uint64_t pair;    ///< left << 32 | right
    uint32_t rank;    ///< 0 is the highest score; equal scores have equal ranks
    uint32_t symbol;  ///< what they become; kNone: an empty place of the table
  };
  class Agenda;

  bool merges(std::size_t id) const;
  void number_characters();
  std::vector<uint32_t> rank_scores() const;
  void find_merges();
  void add_merge(const Merge& merge);
  const Merge* find_merge(uint32_t left, uint32_t right) const;
  Words find_words() const;

  bool word_begins(std::string_view text, std::size_t at) const;
  std::size_t read_word(std::string_view text, std::size_t begin, Symbols& symbols) const;
  void merge_few(Scratch& scratch) const;
  void emit(std::string_view word, const Symbols& symbols, const Agenda& agenda, ScoredPieces::Output& out) const;

  ScoredPieces pieces_;
  ByteTrie user_defined_;
  std::vector<uint32_t> characters_;  ///< symbol by code point
  std::vector<Merge> table_;          ///< of merges: open addressing, a power of two
  std::size_t merge_count_ = 0;
  bool has_unused_ = false, has_user_defined_ = false;
  Words words_ = Words::kNone;
};

}  // namespace bessemer::data
