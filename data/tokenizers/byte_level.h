#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "data/utf8.h"

namespace bessemer::data {

// Vocabulary files of byte-level BPE write each byte as one printable character: '!'..'~', U+00A1..U+00AC and
// U+00AE..U+00FF stand for themselves; the other 68 bytes are, in order, U+0100 to U+0143 (a blank is U+0120). Source:
// GPT-2, encoder.py, bytes_to_unicode.

constexpr uint32_t byte_to_char(uint8_t byte) {
  if (byte <= 0x20) return 0x100u + byte;
  if (byte >= 0x7F && byte <= 0xA0) return 0x121u + byte - 0x7F;
  return byte == 0xAD ? 0x143u : byte;
}

/// The byte that a character (a code point) stands for; -1: none.
constexpr int char_to_byte(uint32_t code) {
  if (code >= 0x100 && code <= 0x120) return static_cast<int>(code - 0x100);
  if (code >= 0x121 && code <= 0x142) return static_cast<int>(code - 0x121 + 0x7F);
  if (code == 0x143) return 0xAD;
  return code < 0x100 && byte_to_char(static_cast<uint8_t>(code)) == code ? static_cast<int>(code) : -1;
}

/// The bytes that a token of such a file stands for. One with other characters (a special token) stands for itself.
inline std::string chars_to_bytes(std::string_view token) {
  std::string bytes;
  for (std::size_t at = 0; at < token.size();) {
    const auto first = static_cast<unsigned char>(token[at]);
    const bool two = (first & 0xE0) == 0xC0 && at + 1 < token.size();
    const uint32_t code = two ? (first & 0x1Fu) << 6 | (static_cast<unsigned char>(token[at + 1]) & 0x3Fu) : first;
    const int byte = first < 0x80 || two ? char_to_byte(code) : -1;
    if (byte < 0) return std::string(token);
    bytes += static_cast<char>(byte);
    at += two ? 2 : 1;
  }
  return bytes;
}

/// Bytes as the file writes them, in UTF-8.
inline std::string bytes_to_chars(std::string_view bytes) {
  std::string out;
  out.reserve(2 * bytes.size());
  for (const char c : bytes) out += encode_utf8(byte_to_char(static_cast<uint8_t>(c)));
  return out;
}

}  // namespace bessemer::data
