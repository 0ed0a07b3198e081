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

}  // namespace bessemer::data
