#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "data/tokenizers/byte_trie.h"
#include "data/tokenizers/parts.h"
#include "data/tokenizers/scored_pieces.h"

namespace bessemer::data {

/// The most likely sequence of pieces (Unigram), by Viterbi. What no piece covers costs the least score less 10.
///
/// Ties fall as in the reference: starts ascend, and only a strictly better score replaces one. Scores add up over the
/// text and are rounded after each piece, so that a text cut in two may give other ids than the whole. Source:
/// sentencepiece 0.2.3, unigram_model.cc, EncodeOptimized; tokenizers 0.23, models/unigram/model.rs, encode_optimized.
class Unigram final : public PieceModel {
 public:
  /// What scores add up in: SentencePiece's float, Hugging Face's double.
  enum class Sum { kFloat, kDouble };
  Unigram(ScoredPieces pieces, Sum sum);

  const char* kind() const override { return "unigram"; }
  void encode(std::string_view piece, Scratch& scratch, TokenIds& out) const override;
  int64_t vocab_size() const override { return static_cast<int64_t>(pieces_.size()); }
  std::string_view token(uint32_t id) const override { return pieces_.bytes_of(id); }

 private:
  template <class Real>
  void search(std::string_view text, const std::vector<Real>& scores, Scratch& scratch, TokenIds& out) const;
  void emit(std::string_view window, Scratch& scratch, ScoredPieces::Output& output) const;

  ScoredPieces pieces_;
  Sum sum_;
  ByteTrie trie_;
  std::vector<double> scores_;  ///< by id
  std::vector<float> rounded_;  ///< the same
  double unknown_score_ = 0;
  std::size_t longest_ = 4;  ///< bytes of the longest piece, or character
};

}  // namespace bessemer::data
