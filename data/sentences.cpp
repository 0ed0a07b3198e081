#include "data/sentences.h"

#include <algorithm>
#include <array>

namespace bessemer::data {
namespace {

constexpr std::array<std::string_view, 3> kWideStops{"\xE3\x80\x82", "\xEF\xBC\x81", "\xEF\xBC\x9F"};  // 。 ！ ？
constexpr std::array<std::string_view, 14> kTitles{"Mr",  "Mrs", "Ms", "Dr", "Prof", "St", "Gen",
                                                   "Col", "Sgt", "Lt", "No", "vs",   "Jr", "Sr"};

bool closes(char c) { return c == '"' || c == '\'' || c == ')' || c == ']'; }
bool begins(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '"' || c == '\'' || c == '(' || c == '[' ||
         static_cast<unsigned char>(c) >= 0x80;
}
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

/// Whether the full stop at `at` belongs to a title or an initial.
bool abbreviates(std::string_view text, std::size_t from, std::size_t at) {
  std::size_t begin = at;
  while (begin > from && is_letter(text[begin - 1])) --begin;
  const std::string_view word = text.substr(begin, at - begin);
  const bool initial = word.size() == 1 && word.front() >= 'A' && word.front() <= 'Z';
  return initial || std::find(kTitles.begin(), kTitles.end(), word) != kTitles.end();
}

}  // namespace

std::size_t sentence_end(std::string_view text, std::size_t from) {
  for (std::size_t at = from; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '\n') {
      while (at < text.size() && text[at] == '\n') ++at;
      return at;
    }
    const bool wide =
        std::any_of(kWideStops.begin(), kWideStops.end(), [&](auto stop) { return text.substr(at, 3) == stop; });
    if (wide) return at + 3;
    if (c != '.' && c != '!' && c != '?') continue;
    std::size_t end = at + 1;
    while (end < text.size() && (text[end] == '.' || text[end] == '!' || text[end] == '?' || closes(text[end]))) ++end;
    if (end + 1 < text.size() && text[end] == ' ' && begins(text[end + 1]) &&
        !(c == '.' && abbreviates(text, from, at)))
      return end;
    at = end - 1;
  }
  return text.size();
}

std::size_t last_sentence(std::string_view text) {
  std::size_t begin = 0;
  for (std::size_t end = sentence_end(text, 0); end < text.size(); end = sentence_end(text, end)) begin = end;
  return begin;
}

}  // namespace bessemer::data
