#pragma once
#include <array>
#include <cstdint>
#include <string>

namespace bessemer::data {

// What tokenizers ask of code points. The parts of Hugging Face tokenizers know different versions of Unicode; a
// property here is what the part that asks for it sees (unicode_tables.h says how that was found). Text is valid UTF-8
// throughout.

/// Properties of a code point, one bit each.
namespace char_bit {
constexpr uint16_t kLetter = 1;         ///< \p{L} of regular expressions
constexpr uint16_t kNumber = 2;         ///< \p{N} of regular expressions
constexpr uint16_t kSpace = 4;          ///< White_Space, \s
constexpr uint16_t kWord = 8;           ///< \w of the pre-tokenizer Whitespace
constexpr uint16_t kNumeric = 16;       ///< of the pre-tokenizer Digits
constexpr uint16_t kMark = 32;          ///< removed by StripAccents
constexpr uint16_t kPunctuation = 64;   ///< of BERT, and of the pre-tokenizer Punctuation
constexpr uint16_t kBertRemoved = 128;  ///< control, format and private use, U+FFFD: removed when BERT cleans
constexpr uint16_t kBertMark = 256;     ///< removed when BERT strips accents
constexpr uint16_t kBertHan = 512;      ///< BERT puts spaces around it
constexpr uint16_t kActive = 1024;      ///< a normal form changes it, moves it, or composes it with the one before
constexpr uint16_t kUpper = 2048;       ///< has another lower case
}  // namespace char_bit

/// The char_bits of a code point; 0 beyond U+10FFFF.
uint16_t char_bits(uint32_t code);

inline bool is_letter(uint32_t code) { return char_bits(code) & char_bit::kLetter; }
inline bool is_number(uint32_t code) { return char_bits(code) & char_bit::kNumber; }
inline bool is_space(uint32_t code) { return char_bits(code) & char_bit::kSpace; }
inline bool is_mark(uint32_t code) { return char_bits(code) & char_bit::kMark; }
inline bool is_bert_punctuation(uint32_t code) { return char_bits(code) & char_bit::kPunctuation; }
/// Category Cc, which no version of Unicode will change.
constexpr bool is_control(uint32_t code) { return code < 0x20 || (code >= 0x7F && code < 0xA0); }

/// The class of a code point that split patterns ask for.
enum CharClass : uint8_t { kOther, kLetter, kNumber, kSpace };

constexpr uint8_t ascii_class(uint32_t code) {
  if ((code | 0x20) >= 'a' && (code | 0x20) <= 'z') return kLetter;
  if (code >= '0' && code <= '9') return kNumber;
  return code == ' ' || (code >= '\t' && code <= '\r') ? kSpace : kOther;
}

constexpr auto kAsciiClass = [] {
  std::array<uint8_t, 128> table{};
  for (uint32_t code = 0; code < table.size(); ++code) table[code] = ascii_class(code);
  return table;
}();

uint8_t wide_char_class(uint32_t code);
inline uint8_t char_class(uint32_t code) { return code < 128 ? kAsciiClass[code] : wide_char_class(code); }

/// Appends the lower case of one character, whatever stands around it: U+0130 gives two, a final sigma is as any other.
void append_lower(uint32_t code, std::string& out);

/// The character at `at`, which moves on to the next one.
inline uint32_t next_code(const char*& at) {
  const auto tail = [&](int i) { return static_cast<uint32_t>(static_cast<unsigned char>(at[i]) & 0x3F); };
  const uint32_t first = static_cast<unsigned char>(*at);
  uint32_t code = first;
  if (first < 0x80) {
    at += 1;
  } else if (first < 0xE0) {
    code = (first & 0x1F) << 6 | tail(1);
    at += 2;
  } else if (first < 0xF0) {
    code = (first & 0x0F) << 12 | tail(1) << 6 | tail(2);
    at += 3;
  } else {
    code = (first & 0x07) << 18 | tail(1) << 12 | tail(2) << 6 | tail(3);
    at += 4;
  }
  return code;
}

/// The character before `at`, which moves back to it.
inline uint32_t previous_code(const char*& at) {
  while ((static_cast<unsigned char>(*--at) & 0xC0) == 0x80) continue;
  const char* forward = at;
  return next_code(forward);
}

inline void append_utf8(uint32_t code, std::string& out) {
  const auto tail = [&](int shift) { return static_cast<char>(0x80 | (code >> shift & 0x3F)); };
  if (code < 0x80) {
    out.push_back(static_cast<char>(code));
  } else if (code < 0x800) {
    out.append({static_cast<char>(0xC0 | code >> 6), tail(0)});
  } else if (code < 0x10000) {
    out.append({static_cast<char>(0xE0 | code >> 12), tail(6), tail(0)});
  } else {
    out.append({static_cast<char>(0xF0 | code >> 18), tail(12), tail(6), tail(0)});
  }
}

}  // namespace bessemer::data
