#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "data/tokenizers/byte_trie.h"
#include "data/tokenizers/parts.h"

namespace bessemer::data {

struct WordPieceOptions {
  std::string unknown = "[UNK]";
  std::string prefix = "##";               ///< of tokens that continue a word
  uint64_t max_characters_per_word = 100;  ///< a longer word is unknown
};

/// BERT's model: of each word the longest token of the vocabulary that it begins with, then the longest that continues
/// it, and so on. A word that is not used up that way is unknown as a whole.
class WordPiece final : public PieceModel {
 public:
  using Options = WordPieceOptions;
  /// \param tokens  by id; "" leaves an id out.
  /// Errors: Error (65) for a token given twice, or where the unknown token is not among them.
  explicit WordPiece(std::vector<std::string> tokens, const Options& options = {});

  const char* kind() const override { return "wordpiece"; }
  void encode(std::string_view piece, Scratch& scratch, TokenIds& out) const override;
  int64_t vocab_size() const override { return static_cast<int64_t>(tokens_.size()); }
  std::string_view token(uint32_t id) const override;

 private:
  bool too_long(std::string_view word) const;
  bool encode_known(std::string_view word, TokenIds& out) const;

  std::vector<std::string> tokens_;
  ByteTrie trie_;
  uint64_t max_characters_;
  ByteTrie::Node continuing_{};  // where the tokens begin that continue a word, past their prefix
  bool continues_ = true;        // there are such
  uint32_t unknown_ = 0;
};

/// Text from ids: words with spaces between, continuing tokens glued on.
/// \param tokenizer  outlives the decoder.
/// \param cleanup    no space before . ? ! , n't 'm 's 've 're, as Hugging Face's option of that name.
std::unique_ptr<Decoder> make_wordpiece_decoder(const Tokenizer& tokenizer, bool cleanup = true,
                                                std::string prefix = "##");

/// A token a line; its id is the line's number, from 0. White space that ends a line is no part of it (so CRLF is as
/// good as LF); an empty line leaves an id out. Errors: Error (65) naming file and line: no UTF-8, a token that stood
/// before, no [UNK].
std::vector<std::string> read_vocab_txt(const std::string& path);

}  // namespace bessemer::data
