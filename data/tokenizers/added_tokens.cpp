#include "data/tokenizers/added_tokens.h"

#include <algorithm>

#include "data/tokenizers/unicode.h"

namespace bessemer::data {
namespace {

/// Properties of the character at `at`; 0 behind the text.
uint16_t bits_at(std::string_view text, std::size_t at) {
  const char* next = text.data() + at;
  return at < text.size() ? char_bits(next_code(next)) : 0;
}

/// Where the character before `at` begins.
std::size_t before(std::string_view text, std::size_t at) {
  do --at;
  while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80);
  return at;
}

bool is_word(std::string_view text, std::size_t at) { return (bits_at(text, at) & char_bit::kWord) != 0; }

std::size_t after_space(std::string_view text, std::size_t at) {
  const char* next = text.data() + at;
  while (at < text.size() && is_space(next_code(next))) at = static_cast<std::size_t>(next - text.data());
  return at;
}

std::size_t before_space(std::string_view text, std::size_t at, std::size_t least) {
  while (at > least && (bits_at(text, before(text, at)) & char_bit::kSpace) != 0) at = before(text, at);
  return at;
}

}  // namespace

AddedTokens::Finder::Finder(const std::vector<AddedToken>& tokens, SpecialText special, bool normalized) {
  for (const auto& token : tokens) {
    if (token.pattern.empty() || token.normalized != normalized || (token.special && special == SpecialText::kPlain))
      continue;
    tokens_.push_back(token);
    begins_[static_cast<unsigned char>(token.pattern.front())] = true;
  }
  std::stable_sort(tokens_.begin(), tokens_.end(),
                   [](const auto& a, const auto& b) { return a.pattern.size() > b.pattern.size(); });
}

const AddedToken* AddedTokens::Finder::longest_at(std::string_view text, std::size_t at) const {
  for (const auto& token : tokens_) {
    if (text.substr(at, token.pattern.size()) == token.pattern) return &token;
  }
  return nullptr;
}

std::vector<AddedTokens::Part> AddedTokens::Finder::cut(std::string_view text) const {
  std::vector<Part> parts;
  std::size_t begin = 0;  // of the plain text that is not handed out yet
  for (std::size_t at = 0; at < text.size();) {
    const AddedToken* token = begins_[static_cast<unsigned char>(text[at])] ? longest_at(text, at) : nullptr;
    if (token == nullptr) {
      ++at;
      continue;
    }
    std::size_t from = at, to = at + token->pattern.size();
    at = to;  // whatever becomes of it, the search goes on behind it
    if (token->single_word && ((from > 0 && is_word(text, before(text, from))) || is_word(text, to))) continue;
    if (token->left_strip) from = before_space(text, from, begin);
    if (token->right_strip) at = to = after_space(text, to);
    if (from > begin) parts.push_back({text.substr(begin, from - begin), -1});
    parts.push_back({text.substr(from, to - from), token->id});
    begin = to;
  }
  if (begin < text.size()) parts.push_back({text.substr(begin), -1});
  return parts;
}

}  // namespace bessemer::data
