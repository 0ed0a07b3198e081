#include "data/tokenizers/charsmap.h"

#include <simdjson.h>

#include <algorithm>
#include <utility>

#include "data/utf8.h"
#include "parallel/error.h"

namespace bessemer::data {
namespace {

bool has_value(uint32_t unit) { return (unit >> 8 & 1) != 0; }
bool is_value(uint32_t unit) { return unit >> 31 != 0; }
uint32_t value(uint32_t unit) { return unit & 0x7FFFFFFFu; }
uint32_t offset(uint32_t unit) { return (unit >> 10) << ((unit & 0x200) >> 6); }
// A unit that is a value has no label: its top bit is in the way.
uint32_t label(uint32_t unit) { return unit & 0x800000FFu; }

bool continues_character(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) == 0x80; }

uint32_t little_endian(const char* at) {
  uint32_t value = 0;
  for (int i = 3; i >= 0; --i) value = value << 8 | static_cast<unsigned char>(at[i]);
  return value;
}

// Far above what Unicode's normal forms need (18 characters); they keep a damaged map from endless rules and texts.
constexpr std::size_t kLongestRule = 256, kLongestText = 256, kLongestOutput = std::size_t{1} << 31;

void check_texts(std::string_view texts) {
  BESSEMER_CHECK_DATA(texts.back() == '\0', "charsmap: its last text does not end with a NUL");
  BESSEMER_CHECK_DATA(simdjson::validate_utf8(texts), "charsmap: its texts are not UTF-8");
  for (std::size_t begin = 0; begin < texts.size();) {
    const std::size_t end = texts.find('\0', begin);
    BESSEMER_CHECK_DATA(end - begin <= kLongestText, "charsmap: the text at ", begin, " has ", end - begin,
                        " bytes; at most ", kLongestText, " are expected");
    begin = end + 1;
  }
}

}  // namespace

Charsmap Charsmap::parse(std::string blob) {
  BESSEMER_CHECK_DATA(blob.size() > 4, "charsmap: ", blob.size(),
                      " bytes; more than the 4 of its first number are expected");
  const std::size_t size = little_endian(blob.data());
  BESSEMER_CHECK_DATA(size % 4 == 0 && size >= 4 && size < blob.size() - 4, "charsmap: a double array of ", size,
                      " bytes in a blob of ", blob.size(),
                      "; a multiple of 4 that leaves room for the texts is expected");
  Charsmap map;
  map.units_.reserve(size / 4);
  for (std::size_t at = 4; at < 4 + size; at += 4) map.units_.push_back(little_endian(&blob[at]));
  map.texts_ = blob.substr(4 + size);
  check_texts(map.texts_);
  map.check_units();
  map.find_touched();
  return map;
}

/// Every unit that has a value must have one, which must begin a text.
void Charsmap::check_units() const {
  for (std::size_t i = 0; i < units_.size(); ++i) {
    if (is_value(units_[i]) || !has_value(units_[i])) continue;
    const std::size_t at = i ^ offset(units_[i]);
    BESSEMER_CHECK_DATA(at < units_.size(), "charsmap: unit ", i, " has its value at ", at, ", beyond the ",
                        units_.size(), " units");
    const std::size_t begin = value(units_[at]);
    BESSEMER_CHECK_DATA(begin < texts_.size() && !continues_character(texts_[begin]), "charsmap: unit ", i,
                        " has the value ", begin, "; where a character begins within ", texts_.size(),
                        " bytes is expected");
  }
}

/// A byte is touched where a rule is this byte alone, or goes on with an ASCII byte.
void Charsmap::find_touched() {
  for (std::size_t first = 0; first < 128; ++first) {
    bool& touched = touched_[first];
    for (std::size_t second = 0; second < 128 && !touched; ++second) {
      const std::array<char, 2> both{static_cast<char>(first), static_cast<char>(second)};
      walk({both.data(), 2}, [&](std::size_t length, bool ends, std::size_t) {
        touched |= ends || length == 2;
        return true;
      });
    }
  }
}

/// Calls take(bytes so far, whether a rule ends here, where its text begins) on the way down.
template <class Take>
void Charsmap::walk(std::string_view text, Take take) const {
  if (units_.empty()) return;
  const std::size_t most = std::min(text.size(), kLongestRule);
  std::size_t node = offset(units_[0]);
  for (std::size_t at = 0; at < most; ++at) {
    const auto byte = static_cast<unsigned char>(text[at]);
    node ^= byte;
    if (node >= units_.size() || label(units_[node]) != byte) return;
    const uint32_t unit = units_[node];
    node ^= offset(unit);
    // Rules that end within a character are none: what they leave would be no text.
    const bool ends = has_value(unit) && (at + 1 == text.size() || !continues_character(text[at + 1]));
    if (!take(at + 1, ends, ends ? value(units_[node]) : 0)) return;
  }
}

Charsmap::Rule Charsmap::longest(std::string_view text) const {
  Rule rule;
  std::size_t begin = 0;
  walk(text, [&](std::size_t length, bool ends, std::size_t at) {
    if (ends) rule.length = length, begin = at;
    return true;
  });
  if (rule.length > 0) rule.by = &texts_[begin];  // ends with its NUL
  return rule;
}

Charsmap::Rule Charsmap::shortest(std::string_view text) const {
  Rule rule;
  walk(text, [&](std::size_t length, bool ends, std::size_t at) {
    if (ends) rule = {length, &texts_[at]};
    return !ends;
  });
  return rule;
}

std::size_t Charsmap::append_prefix(std::string_view text, std::string& out) const {
  if (text.empty()) return 0;
  const Rule rule = longest(text);
  if (rule.length > 0) return out += rule.by, rule.length;
  uint32_t code = 0;
  const auto length = static_cast<std::size_t>(std::max(1, decode_utf8(text, code)));
  out += text.substr(0, length);
  return length;
}

void Charsmap::apply(std::string& text) const {
  if (empty()) return;
  std::string out;
  out.reserve(text.size() + text.size() / 8);
  const std::string_view all = text;
  const auto plain = [&](std::size_t at) {
    return leaves(static_cast<unsigned char>(all[at])) &&
           (at + 1 == all.size() || static_cast<signed char>(all[at + 1]) >= 0);
  };
  for (std::size_t at = 0; at < all.size();) {
    std::size_t end = at;
    while (end < all.size() && plain(end)) ++end;
    out += all.substr(at, end - at);
    at = end + append_prefix(all.substr(end), out);
    BESSEMER_CHECK_DATA(out.size() < kLongestOutput, "charsmap: a text of ", text.size(), " bytes becomes longer than ",
                        kLongestOutput, "; cut it into smaller ones");
  }
  text = std::move(out);
}

}  // namespace bessemer::data
