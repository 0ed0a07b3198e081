#include "data/tokenizers/sentencepiece_normalizer.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "data/utf8.h"
#include "parallel/error.h"

namespace bessemer::data {
namespace {

constexpr std::size_t kMostUserDefinedAtOnce = 64;
constexpr std::size_t kLongest = std::numeric_limits<int32_t>::max();

}  // namespace

SentencePieceNormalizer::SentencePieceNormalizer(const SentencePieceModel::Normalizer& options,
                                                 bool whitespace_as_suffix, std::vector<std::string_view> user_defined)
    : space_(options.escape_whitespaces ? "\xE2\x96\x81" : " "),
      prefix_(options.add_dummy_prefix && !whitespace_as_suffix),
      suffix_(options.add_dummy_prefix && whitespace_as_suffix), remove_extra_(options.remove_extra_whitespaces) {
  if (!options.charsmap.empty()) charsmap_ = Charsmap::parse(options.charsmap);
  std::vector<ByteTrie::Entry> entries;
  for (const auto text : user_defined) entries.push_back({text, 0});
  user_defined_ = ByteTrie(std::move(entries));
  for (unsigned byte = 0; byte < 128; ++byte)
    plain_[byte] = charsmap_.leaves(static_cast<unsigned char>(byte)) && !user_defined_.begins(static_cast<char>(byte));
}

/// Where a text grows, with the memory of whether it ends in a space that the next one would double.
struct SentencePieceNormalizer::Output {
  std::string& text;
  std::string_view space;
  bool remove_extra;
  bool after_space;

  void plain(char byte) {
    if (byte != ' ')
      text += byte;
    else if (!after_space)
      text += space;
    after_space = remove_extra && byte == ' ';
  }
  void part(std::string_view by) {
    if (after_space) by.remove_prefix(std::min(by.find_first_not_of(' '), by.size()));
    if (by.empty()) return;
    for (const char byte : by) {
      if (byte == ' ')
        text += space;
      else
        text += byte;
    }
    after_space = remove_extra && by.back() == ' ';
  }
};

void SentencePieceNormalizer::apply(std::string& text) const {
  std::string out;
  normalize(text, out);
  text = std::move(out);
}

void SentencePieceNormalizer::normalize(std::string_view text, std::string& out) const {
  out.clear();
  if (remove_extra_) text = without_leading_spaces(text);
  if (text.empty()) return;
  out.reserve(text.size() + text.size() / 2);
  if (prefix_) out += space_;
  Output output{out, space_, remove_extra_, remove_extra_};
  for (std::size_t at = 0; at < text.size();) {
    if (plain_at(text, at)) {
      output.plain(text[at++]);
      continue;
    }
    std::string_view by;
    at += next_part(text.substr(at), by);
    output.part(by);
    BESSEMER_CHECK_DATA(out.size() < kLongest, "SentencePiece: a text of ", text.size(), " bytes becomes longer than ",
                        kLongest, "; cut it into smaller ones");
  }
  while (remove_extra_ && out.ends_with(space_)) out.resize(out.size() - space_.size());
  if (suffix_) out += space_;
}

/// The bytes of the next part of a text, and what it becomes: something user-defined, what a rule knows, or a
/// character.
std::size_t SentencePieceNormalizer::next_part(std::string_view text, std::string_view& by) const {
  if (const auto match = user_defined_.longest(text, kMostUserDefinedAtOnce); match.length > 0)
    return by = text.substr(0, match.length), match.length;
  if (const auto rule = charsmap_.longest(text); rule.length > 0) return by = rule.by, rule.length;
  uint32_t code = 0;
  const int length = decode_utf8(text, code);
  return by = text.substr(0, static_cast<std::size_t>(length)), by.size();
}

std::string_view SentencePieceNormalizer::without_leading_spaces(std::string_view text) const {
  while (!text.empty()) {
    std::string_view by;
    const std::size_t length = next_part(text, by);
    if (by != " ") break;
    text.remove_prefix(length);
  }
  return text;
}

}  // namespace bessemer::data
