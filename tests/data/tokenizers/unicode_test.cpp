#include "data/tokenizers/unicode.h"

#include <gtest/gtest.h>

#include "data/utf8.h"

namespace bessemer::data {
namespace {

std::string lower(uint32_t code) {
  std::string out;
  append_lower(code, out);
  return out;
}

TEST(Unicode, AsciiTableAgreesWithTheWideOne) {
  for (uint32_t code = 0; code < 128; ++code) EXPECT_EQ(char_class(code), wide_char_class(code)) << code;
}

TEST(Unicode, ClassesAreThoseOfTheReference) {
  for (const uint32_t code : {0xE9u, 0x436u, 0x4E00u, 0xAC00u, 0x1F80u, 0x1C89u, 0x105C0u})
    EXPECT_TRUE(is_letter(code)) << code;
  for (const uint32_t code : {0x660u, 0xBDu, 0x2160u, 0x3007u, 0x1F100u, 0x10D40u})
    EXPECT_TRUE(is_number(code)) << code;
  for (const uint32_t code : {0x85u, 0xA0u, 0x1680u, 0x2003u, 0x2028u, 0x3000u}) EXPECT_TRUE(is_space(code)) << code;
  for (const uint32_t code : {0x1Cu, 0x180Eu, 0x200Bu, 0xFEFFu}) EXPECT_FALSE(is_space(code)) << code;
  EXPECT_EQ(char_class(0x301), kOther);
  EXPECT_EQ(char_class(0x110000), kOther);
  EXPECT_TRUE(is_mark(0x301) && is_mark(0x903) && !is_mark('a'));
  EXPECT_TRUE(is_control(0) && is_control(0x7F) && is_control(0x9F) && !is_control(0xA0) && !is_control(' '));
}

TEST(Unicode, BertKnowsUnicode8) {
  for (const uint32_t code : {uint32_t{'$'}, uint32_t{'^'}, 0x2014u, 0x3002u, 0xBFu})
    EXPECT_TRUE(is_bert_punctuation(code)) << code;
  EXPECT_FALSE(is_bert_punctuation(0x20AC));  // a currency sign
  EXPECT_FALSE(is_bert_punctuation(0x2E52));  // punctuation since Unicode 14
  EXPECT_TRUE(char_bits(0x301) & char_bit::kBertMark);
  EXPECT_FALSE(char_bits(0x1DF6) & char_bit::kBertMark);  // a mark since Unicode 10
  EXPECT_FALSE(char_bits(0x2B820) & char_bit::kBertHan);  // Han all the same
  EXPECT_TRUE(char_bits(0x2B920) & char_bit::kBertHan);
  for (const uint32_t code : {0u, 0x85u, 0xADu, 0x200Du, 0xE000u, 0xFFFDu, 0x10FFFDu})
    EXPECT_TRUE(char_bits(code) & char_bit::kBertRemoved) << code;
}

TEST(Unicode, LowersEachCharacterByItself) {
  EXPECT_EQ(lower('Z'), "z");
  EXPECT_EQ(lower('['), "[");
  EXPECT_EQ(lower(0x130), "i\u0307");
  EXPECT_EQ(lower(0x3A3), "σ");
  EXPECT_EQ(lower(0x1E9E), "ß");
  EXPECT_EQ(lower(0x1C5), "ǆ");
  EXPECT_EQ(lower(0x212A), "k");
  EXPECT_EQ(lower(0x10400), "\U00010428");
  EXPECT_EQ(lower(0x13A0), "\uAB70");
  EXPECT_EQ(lower(0x178), "ÿ");
  EXPECT_EQ(lower(0x101), "ā");
}

TEST(Unicode, ReadsAndWritesEveryCharacter) {
  for (uint32_t code = 0; code < kCodePoints; ++code) {
    if (code >= 0xD800 && code < 0xE000) continue;
    std::string text = "x";
    append_utf8(code, text);
    ASSERT_EQ(text.substr(1), encode_utf8(code));
    const char* at = text.data() + 1;
    ASSERT_EQ(next_code(at), code);
    ASSERT_EQ(at, text.data() + text.size());
    ASSERT_EQ(previous_code(at), code);
    ASSERT_EQ(at, text.data() + 1);
  }
}

}  // namespace
}  // namespace bessemer::data
