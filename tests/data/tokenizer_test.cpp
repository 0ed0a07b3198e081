#include "data/tokenizer.h"

#include <gmock/gmock.h>

#include "tests/data/folder.h"

namespace bessemer::data {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using TokenizerTest = FolderTest;

TokenIds encoded(const Tokenizer& tokenizer, std::string_view text) { return tokenizer.encode(text); }

TEST_F(TokenizerTest, BytesAreTheirOwnIds) {
  const auto bytes = make_bytes_tokenizer();
  EXPECT_EQ(bytes->vocab_size(), 256);
  EXPECT_EQ(bytes->eod_id, -1);
  const std::string text("a\0\xFF\xC3", 4);
  EXPECT_THAT(encoded(*bytes, text), ElementsAre(97, 0, 255, 195));
  EXPECT_EQ(bytes->decode(encoded(*bytes, text)), text);
  EXPECT_THAT(refusal([&] { bytes->token(256); }), HasSubstr("256"));
}

TEST_F(TokenizerTest, CharactersAreNumberedInOrder) {
  const auto chars = make_chars_tokenizer({"\n", "a", "ö", "€", "😀"});
  EXPECT_THAT(encoded(*chars, "😀a€\nö"), ElementsAre(4, 1, 3, 0, 2));
  EXPECT_EQ(chars->decode({4, 1, 3, 0, 2}), "😀a€\nö");
  EXPECT_THAT(refusal([&] { encoded(*chars, "aab"); }),
              testing::AllOf(HasSubstr("'b' at byte 2"), HasSubstr("5 characters")));
  EXPECT_THAT(refusal([&] { encoded(*chars, "a\xC3"); }), HasSubstr("not UTF-8 at byte 1"));
  EXPECT_THROW(make_chars_tokenizer({"b", "a"}), Error);
  EXPECT_THROW(make_chars_tokenizer({"a", "a"}), Error);
  EXPECT_THROW(make_chars_tokenizer({"ab"}), Error);
}

TEST_F(TokenizerTest, LoadsWhatItSaved) {
  const auto chars = make_chars_tokenizer({std::string(1, '\0'), "\"", "ö"});
  const auto again = load_tokenizer(chars->json());
  EXPECT_EQ(again->sha256(), chars->sha256());
  EXPECT_EQ(again->decode({0, 1, 2}), chars->decode({0, 1, 2}));
  EXPECT_EQ(load_tokenizer(make_bytes_tokenizer()->json())->kind(), "bytes");
  EXPECT_NE(chars->sha256(), make_chars_tokenizer({"\"", "ö"})->sha256());
  EXPECT_NE(make_chars_tokenizer({"a", "b"})->sha256(), make_bytes_tokenizer()->sha256());
}

TEST_F(TokenizerTest, RefusesOtherFilesByName) {
  write("tokenizer/tokenizer.json", "{\"model\": {}}");
  EXPECT_THAT(refusal([&] { open_tokenizer(folder()); }), HasSubstr("tokenizer.json"));
  EXPECT_THAT(refusal([&] { open_tokenizer(at("absent")); }), HasSubstr("absent/tokenizer/tokenizer.json"));
  EXPECT_THROW(load_tokenizer("[1]"), Error);
  EXPECT_THROW(load_tokenizer(R"({"format": "bessemer-tokenizer", "version": 2, "kind": "bytes"})"), Error);
  EXPECT_THROW(load_tokenizer(R"({"format": "bessemer-tokenizer", "version": 1, "kind": "bpe"})"), Error);
}

}  // namespace
}  // namespace bessemer::data
