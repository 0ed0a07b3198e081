#include "data/utf8.h"

#include <algorithm>

namespace bessemer::data {

int decode_utf8(std::string_view text, uint32_t& code) {
  if (text.empty()) return -1;
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return code = first, 1;
  const int length = first >= 0xC2 && first < 0xE0   ? 2
                     : first >= 0xE0 && first < 0xF0 ? 3
                     : first >= 0xF0 && first < 0xF5 ? 4
                                                     : 0;
  if (length == 0) return 0;
  // The second byte's range excludes overlong forms, surrogates and what lies beyond U+10FFFF.
  const unsigned char low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
  const unsigned char high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
  code = first & (0x7Fu >> length);
  for (int i = 1; i < length; ++i) {
    const auto at = static_cast<std::size_t>(i);
    if (at >= text.size()) return -1;
    if (byte(at) < (i == 1 ? low : 0x80) || byte(at) > (i == 1 ? high : 0xBF)) return 0;
    code = code << 6 | (byte(at) & 0x3F);
  }
  return length;
}

std::string encode_utf8(uint32_t code) {
  const auto tail = [&](int shift) { return static_cast<char>(0x80 | (code >> shift & 0x3F)); };
  if (code < 0x80) return {static_cast<char>(code)};
  if (code < 0x800) return {static_cast<char>(0xC0 | code >> 6), tail(0)};
  if (code < 0x10000) return {static_cast<char>(0xE0 | code >> 12), tail(6), tail(0)};
  return {static_cast<char>(0xF0 | code >> 18), tail(12), tail(6), tail(0)};
}

namespace {

/// Bytes at the front of `text` that begin a character and then break off, at least 1.
std::size_t broken_part(std::string_view text) {
  uint32_t code = 0;
  for (std::size_t n = 1; n < text.size() && n < 4; ++n) {
    if (decode_utf8(text.substr(0, n + 1), code) == 0) return n;  // n bytes may begin a character, one more may not
    if (decode_utf8(text.substr(0, n), code) == 0) return n;
  }
  return std::min<std::size_t>(text.size(), 3);
}

}  // namespace

std::size_t first_broken(std::string_view text) {
  uint32_t code = 0;
  for (std::size_t at = 0; at < text.size();) {
    const int length = decode_utf8(text.substr(at), code);
    if (length <= 0) return at;
    at += static_cast<std::size_t>(length);
  }
  return text.size();
}

std::string repaired_utf8(std::string_view text, uint64_t& count) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    uint32_t code = 0;
    const int length = decode_utf8(text.substr(at), code);
    if (length > 0) {
      out += text.substr(at, static_cast<std::size_t>(length));
      at += static_cast<std::size_t>(length);
    } else {
      out += "\xEF\xBF\xBD";
      at += broken_part(text.substr(at));
      ++count;
    }
  }
  return out;
}

std::size_t whole_characters(std::string_view text) {
  uint32_t code = 0;
  for (std::size_t back = 1; back <= 3 && back <= text.size(); ++back) {
    const std::size_t at = text.size() - back;
    if (decode_utf8(text.substr(at), code) < 0) return at;
  }
  return text.size();
}

}  // namespace bessemer::data
