#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "data/tokenizer.h"

namespace bessemer::data {

struct AddedToken {
  uint32_t id = 0;
  std::string text;
  std::string pattern = {};  ///< what is looked for: the text, normalized where `normalized`
  bool special = false;
  bool single_word = false;                      ///< not inside of a word
  bool left_strip = false, right_strip = false;  ///< takes the white space beside it
  bool normalized = false;                       ///< looked for in the normalized text, else in the text as it stands
};

/// Tokens that are cut out of a text before it is split: the longest that begins leftmost.
/// Source of the rules: Hugging Face tokenizers, added_vocabulary.rs.
class AddedTokens {
 public:
  AddedTokens() = default;
  explicit AddedTokens(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)) {}
  const std::vector<AddedToken>& all() const { return tokens_; }

  struct Part {
    std::string_view text;
    int64_t id = -1;  ///< -1: plain text
  };
  /// Those that take part: without special ones under kPlain; those of the raw or those of the normalized text.
  class Finder {
   public:
    Finder() = default;
    Finder(const std::vector<AddedToken>& tokens, SpecialText special, bool normalized);
    bool empty() const { return tokens_.empty(); }
    std::vector<Part> cut(std::string_view text) const;

   private:
    const AddedToken* longest_at(std::string_view text, std::size_t at) const;
    std::vector<AddedToken> tokens_;  ///< longest first
    std::array<bool, 256> begins_{};
  };

 private:
  std::vector<AddedToken> tokens_;
};

}  // namespace bessemer::data
