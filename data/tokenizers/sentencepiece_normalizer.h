#pragma once
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "data/tokenizers/byte_trie.h"
#include "data/tokenizers/charsmap.h"
#include "data/tokenizers/parts.h"
#include "data/tokenizers/sentencepiece_model.h"

namespace bessemer::data {

/// Text as SentencePiece's models see it: characters replaced by the charsmap, runs of spaces collapsed, spaces escaped
/// as U+2581, one put before (or after) the text. What the user defined stays as it is. Source: sentencepiece 0.2.3,
/// normalizer.cc, Normalizer::Normalize.
class SentencePieceNormalizer final : public Normalizer {
 public:
  /// \param user_defined  texts that no rule touches.
  SentencePieceNormalizer(const SentencePieceModel::Normalizer& options, bool whitespace_as_suffix,
                          std::vector<std::string_view> user_defined);

  void apply(std::string& text) const override;
  /// The same, into `out`, whose memory is used again. Errors: Error (65) where it would have 2 GiB.
  void normalize(std::string_view text, std::string& out) const;

  /// Whether this ASCII byte is its own normal form where an ASCII byte follows; a space may still be dropped or
  /// escaped.
  bool leaves(unsigned char byte) const { return plain_[byte]; }

 private:
  struct Output;
  bool plain_at(std::string_view text, std::size_t at) const {
    return plain_[static_cast<unsigned char>(text[at])] &&
           (at + 1 == text.size() || static_cast<signed char>(text[at + 1]) >= 0);
  }
  std::size_t next_part(std::string_view text, std::string_view& by) const;
  std::string_view without_leading_spaces(std::string_view text) const;

  Charsmap charsmap_;
  ByteTrie user_defined_;
  std::string_view space_;
  bool prefix_, suffix_, remove_extra_;
  std::array<bool, 256> plain_{};
};

}  // namespace bessemer::data
