#include "data/base64.h"

#include <algorithm>
#include <cstdint>

#include "parallel/error.h"

namespace bessemer::data {
namespace {

constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

uint32_t digit(std::string_view text, std::size_t at) {
  const char c = text[at];
  if (c >= 'A' && c <= 'Z') return static_cast<uint32_t>(c - 'A');
  if (c >= 'a' && c <= 'z') return static_cast<uint32_t>(c - 'a' + 26);
  if (c >= '0' && c <= '9') return static_cast<uint32_t>(c - '0' + 52);
  BESSEMER_CHECK_DATA(c == '+' || c == '/', "base64: byte ", static_cast<int>(static_cast<unsigned char>(c)),
                      " at place ", at, " is not one of its digits");
  return c == '+' ? 62 : 63;
}

}  // namespace

std::string base64_encode(std::string_view bytes) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    uint32_t three = 0;
    for (std::size_t i = at; i < at + 3; ++i)
      three = three << 8 | (i < bytes.size() ? static_cast<unsigned char>(bytes[i]) : 0u);
    for (const int shift : {18, 12, 6, 0}) text += kDigits[three >> shift & 63];
  }
  for (std::size_t i = 0; i < (3 - bytes.size() % 3) % 3; ++i) text[text.size() - 1 - i] = '=';
  return text;
}

std::string base64_decode(std::string_view text) {
  BESSEMER_CHECK_DATA(text.size() % 4 == 0, "base64: ", text.size(), " digits, a multiple of 4 is expected");
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  const std::size_t digits = text.size() - padding;
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3);
  for (std::size_t at = 0; at < digits; at += 4) {
    uint32_t three = 0;
    for (std::size_t i = at; i < at + 4; ++i) three = three << 6 | (i < digits ? digit(text, i) : 0u);
    for (const int shift : {16, 8, 0}) bytes += static_cast<char>(three >> shift);
  }
  bytes.erase(bytes.size() - std::min(bytes.size(), padding));
  return bytes;
}

}  // namespace bessemer::data
