#include "data/utf8.h"

#include <gtest/gtest.h>

namespace bessemer::data {

TEST(Utf8, EveryCodePointButSurrogatesComesBack) {
  for (uint32_t code = 0; code < kCodePoints; ++code) {
    const std::string text = encode_utf8(code);
    uint32_t back = 0;
    const bool surrogate = code >= 0xD800 && code < 0xE000;
    ASSERT_EQ(decode_utf8(text + "x", back), surrogate ? 0 : static_cast<int>(text.size())) << code;
    if (surrogate) continue;
    ASSERT_EQ(back, code);
    ASSERT_EQ(decode_utf8(std::string_view(text).substr(0, text.size() - 1), back), -1) << code;
  }
}

TEST(Utf8, RefusesOverlongStrayAndTooLargeForms) {
  for (const char* bad : {"\x80x", "\xC0\x80", "\xC1\xBF", "\xE0\x80\x80", "\xE0\x9F\xBF", "\xF0\x8F\xBF\xBF",
                          "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF", "\xC3(", "\xE2\x82("}) {
    uint32_t code = 0;
    EXPECT_EQ(decode_utf8(bad, code), 0) << bad;
  }
}

}  // namespace bessemer::data
