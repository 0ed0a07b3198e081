#include "data/tokenizers/wordpiece.h"

#include <gmock/gmock.h>

#include "tests/data/folder.h"

namespace bessemer::data {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using WordPieceTest = FolderTest;

const std::vector<std::string> kTokens = {"[UNK]", "un",  "##aff", "##able", "##a",  "u",  "##ff",
                                          "é",     "##é", "##",    "",       "##ab", "una"};

TokenIds ids(const WordPiece& model, const std::string& word) {
  Scratch scratch;
  TokenIds out;
  model.encode(word, scratch, out);
  return out;
}

/// Ids are tokens, nothing else.
class Vocabulary final : public Tokenizer {
 public:
  explicit Vocabulary(std::vector<std::string> tokens) : tokens_(std::move(tokens)) {}
  std::string kind() const override { return "wordpiece"; }
  int64_t vocab_size() const override { return static_cast<int64_t>(tokens_.size()); }
  std::unique_ptr<Encoder> encoder(SpecialText) const override { return nullptr; }
  std::string token(uint32_t id) const override { return tokens_.at(id); }
  std::size_t safe_cut(std::string_view) const override { return 0; }
  std::string json() const override { return ""; }

 private:
  std::vector<std::string> tokens_;
};

std::string decoded(const std::vector<std::string>& tokens, bool cleanup) {
  const Vocabulary vocabulary(tokens);
  const auto decoder = make_wordpiece_decoder(vocabulary, cleanup);
  std::string text;
  for (uint32_t id = 0; id < tokens.size(); ++id) text += decoder->next(id);
  text += decoder->finish();
  return text + "|" + decoder->next(0);
}

TEST_F(WordPieceTest, TakesTheLongestTokenEachTime) {
  const WordPiece model(kTokens);
  EXPECT_THAT(ids(model, "unaffable"), ElementsAre(12, 6, 3));
  EXPECT_THAT(ids(model, "unable"), ElementsAre(0));  // "una" is longer than "un", and no "##b" continues it
  EXPECT_THAT(ids(model, "unaff"), ElementsAre(12, 6));
  EXPECT_THAT(ids(model, "uable"), ElementsAre(5, 3));
  EXPECT_THAT(ids(model, "uab"), ElementsAre(5, 11));
  EXPECT_THAT(ids(model, "éé"), ElementsAre(7, 8));
  EXPECT_THAT(ids(model, "##a"), ElementsAre(4));  // a token is a token, whatever it looks like
  EXPECT_THAT(ids(model, "x"), ElementsAre(0));
  EXPECT_THAT(ids(model, ""), IsEmpty());
  EXPECT_EQ(model.vocab_size(), 13);
  EXPECT_EQ(model.token(2), "##aff");
  EXPECT_EQ(model.token(10), "");
  EXPECT_EQ(model.token(13), "");
}

TEST_F(WordPieceTest, LongWordsAreUnknown) {
  const WordPiece model(kTokens);
  std::string word;
  for (int i = 0; i < 100; ++i) word += "é";
  EXPECT_EQ(ids(model, word).size(), 100u);
  EXPECT_THAT(ids(model, word + "é"), ElementsAre(0));
  EXPECT_THAT(ids(model, std::string(10 << 20, 'u')), ElementsAre(0));
  const WordPiece patient(kTokens, {"[UNK]", "##", 1 << 30});
  EXPECT_THAT(ids(patient, std::string(10 << 20, 'u')), ElementsAre(0));
  EXPECT_EQ(ids(patient, "u" + std::string(1 << 20, 'a')).size(), (1u << 20) + 1);
}

TEST_F(WordPieceTest, RefusesVocabulariesThatSayTwoThings) {
  EXPECT_THAT(refusal([] { WordPiece({"[UNK]", "a", "b", "a"}); }), HasSubstr("'a' has ids 1 and 3"));
  EXPECT_THAT(refusal([] { WordPiece({"a"}); }), HasSubstr("'[UNK]'"));
  EXPECT_THAT(refusal([] { WordPiece(std::vector<std::string>()); }), HasSubstr("0 tokens"));
  EXPECT_THAT(ids(WordPiece({"<u>", "a", "_b"}, {"<u>", "_", 100}), "ab"), ElementsAre(1, 2));
}

TEST_F(WordPieceTest, ReadsATokenALine) {
  EXPECT_THAT(read_vocab_txt(write("v", "[UNK]\r\n##a\u3000\n\n é\n\nb")),
              ElementsAre("[UNK]", "##a", "", " é", "", "b"));
  const std::string twice = write("twice", "[UNK]\na\nb\na\r\n");
  EXPECT_THAT(refusal([&] { read_vocab_txt(twice); }), testing::AllOf(HasSubstr(twice + ":4"), HasSubstr("line 2")));
  EXPECT_THAT(refusal([&] { read_vocab_txt(write("none", "a\n")); }), HasSubstr("[UNK]"));
  EXPECT_THAT(refusal([&] { read_vocab_txt(write("empty", "")); }), HasSubstr("0 lines"));
  EXPECT_THAT(refusal([&] { read_vocab_txt(write("latin", "[UNK]\n\xE9\n")); }), HasSubstr("latin:2: byte 1"));
  EXPECT_THAT(refusal([&] { read_vocab_txt(at("absent")); }), HasSubstr("absent"));
}

TEST_F(WordPieceTest, DecoderJoinsWords) {
  EXPECT_EQ(decoded({"##uelo", "Ara", "##új", "##o", "No", "##guera"}, false), "##uelo Araújo Noguera|##uelo");
  const std::vector<std::string> sentence = {"i", "'", "m", "there", ",", "ok", "?", "##!", "n't", "", "x"};
  EXPECT_EQ(decoded(sentence, true), "i ' m there, ok?!n't x|i");
  EXPECT_EQ(decoded(sentence, false), "i ' m there , ok ?! n't x|i");
}

}  // namespace
}  // namespace bessemer::data
