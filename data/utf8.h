#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace bessemer::data {

constexpr uint32_t kCodePoints = 0x110000;

/// Length in bytes (1 to 4) of the character at the front of `text`, whose code point goes to `code`.
/// 0: not UTF-8 (RFC 3629: no overlong forms, no surrogates); -1: `text` ends within the character.
int decode_utf8(std::string_view text, uint32_t& code);
std::string encode_utf8(uint32_t code);

/// Length of the longest front of `text` that does not end within a character. What is no UTF-8 counts as characters.
std::size_t whole_characters(std::string_view text);

/// Where the first byte stands that is no UTF-8; the text's size if there is none.
std::size_t first_broken(std::string_view text);

/// The text with U+FFFD for each maximal part that is no UTF-8 (Unicode 15, section 3.9, "substitution of maximal
/// subparts", as Rust and Python do); adds their number to `count`.
std::string repaired_utf8(std::string_view text, uint64_t& count);

}  // namespace bessemer::data
