#include "data/tokenizers/split.h"

#include <gmock/gmock.h>

namespace bessemer::data {
namespace {

using testing::ElementsAre;

std::vector<std::string> pieces(const Splitter& splitter, std::string_view text) {
  std::vector<uint32_t> ends;
  splitter.split(text, ends);
  std::vector<std::string> out;
  uint32_t begin = 0;
  for (const uint32_t end : ends) {
    if (splitter.keep(text.substr(begin, end - begin))) out.emplace_back(text.substr(begin, end - begin));
    begin = end;
  }
  EXPECT_EQ(begin, text.size());
  return out;
}

TEST(Split, Gpt2CutsWordsNumbersAndSigns) {
  const auto gpt2 = make_splitter(SplitPattern::kGpt2);
  EXPECT_THAT(pieces(*gpt2, "Hello world's 123abc !? x"),
              ElementsAre("Hello", " world", "'s", " 123", "abc", " !?", " x"));
  EXPECT_THAT(pieces(*gpt2, "I'LL we'll they've"), ElementsAre("I", "'", "LL", " we", "'ll", " they", "'ve"));
  EXPECT_THAT(pieces(*gpt2, ""), ElementsAre());
}

TEST(Split, WhiteSpaceLeavesItsLastCharacterToTheWord) {
  const auto gpt2 = make_splitter(SplitPattern::kGpt2);
  EXPECT_THAT(pieces(*gpt2, "a   b\n\nc\n"), ElementsAre("a", "  ", " b", "\n", "\n", "c", "\n"));
  EXPECT_THAT(pieces(*gpt2, "a  \t"), ElementsAre("a", "  \t"));
  EXPECT_THAT(pieces(*gpt2, "a \u00A0b"), ElementsAre("a", " ", "\u00A0", "b"));
}

TEST(Split, Cl100kKeepsLinesAndThreeDigits) {
  const auto llama = make_splitter(SplitPattern::kCl100k);
  EXPECT_THAT(pieces(*llama, "It'S 12345\n\n  x"), ElementsAre("It", "'S", " ", "123", "45", "\n\n", " ", " x"));
  EXPECT_THAT(pieces(*llama, "(foo) \"bar\"\r\n\tbaz"), ElementsAre("(foo", ")", " \"", "bar", "\"\r\n", "\tbaz"));
  EXPECT_THAT(pieces(*llama, "o'\u017F x"), ElementsAre("o", "'\u017F", " x"));
  EXPECT_THAT(pieces(*make_splitter(SplitPattern::kQwen2), "a 12"), ElementsAre("a", " ", "1", "2"));
}

/// What the scanners do by hand, their expressions do through PCRE2.
class ScannedPattern : public testing::TestWithParam<SplitPattern> {};

TEST_P(ScannedPattern, GivesThePiecesOfItsExpression) {
  const auto scanner = make_splitter(GetParam());
  const auto regex = make_regex_splitter("(?:" + pattern_text(GetParam()) + ")", SplitBehavior::kIsolated, false);
  const std::vector<std::string> bits{
      "a",      "Ab",           " ",      "  ",     "\n",     "\r\n",   "\t",        "7",
      "42",     "2024",         "'",      "'s",     "'RE",    "'ll",    "!",         "...",
      "\u00E9", "\u4E2D\u6587", "\u00A0", "\u3000", "\u0301", "\u0660", "\u2167",    "\U0001F600",
      "_",      "\u017F",       "\u2028", "\u0085", "\u180E", "\u200D", "\U00031350"};
  uint64_t state = 7;
  for (int round = 0; round < 20000; ++round) {
    std::string text;
    for (int n = static_cast<int>(state >> 60); n >= 0; --n) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      text += bits[(state >> 33) % bits.size()];
    }
    ASSERT_EQ(pieces(*scanner, text), pieces(*regex, text)) << "'" << text << "'";
  }
}

TEST_P(ScannedPattern, IsCutWhereNothingChanges) {
  const auto scanner = make_splitter(GetParam());
  const std::string text = "One two  three\n\n four's 5 6, seven";
  for (std::size_t n = 0; n <= text.size(); ++n) {
    const std::size_t cut = scanner->safe_cut(std::string_view(text).substr(0, n));
    ASSERT_LE(cut, n);
    auto joined = pieces(*scanner, text.substr(0, cut));
    for (const auto& piece : pieces(*scanner, text.substr(cut))) joined.push_back(piece);
    EXPECT_EQ(joined, pieces(*scanner, text)) << n;
  }
  EXPECT_EQ(scanner->safe_cut(text), text.size() - std::string(" seven").size());
}

INSTANTIATE_TEST_SUITE_P(Known, ScannedPattern,
                         testing::Values(SplitPattern::kGpt2, SplitPattern::kCl100k, SplitPattern::kQwen2));

TEST(Split, AnyExpressionWithEveryBehaviour) {
  const auto cut = [](SplitBehavior behavior, bool invert = false) {
    return pieces(*make_regex_splitter("-", behavior, invert), "a--b-c");
  };
  EXPECT_THAT(cut(SplitBehavior::kIsolated), ElementsAre("a", "-", "-", "b", "-", "c"));
  EXPECT_THAT(cut(SplitBehavior::kRemoved), ElementsAre("a", "b", "c"));
  EXPECT_THAT(cut(SplitBehavior::kMergedWithPrevious), ElementsAre("a-", "-", "b-", "c"));
  EXPECT_THAT(cut(SplitBehavior::kMergedWithNext), ElementsAre("a", "-", "-b", "-c"));
  EXPECT_THAT(cut(SplitBehavior::kContiguous), ElementsAre("a", "--", "b", "-", "c"));
  EXPECT_THAT(cut(SplitBehavior::kRemoved, true), ElementsAre("-", "-", "-"));
}

TEST(Split, OneAfterAnother) {
  std::vector<std::unique_ptr<Splitter>> both;
  both.push_back(make_regex_splitter(" ", SplitBehavior::kRemoved, false));
  both.push_back(make_regex_splitter("[0-9]", SplitBehavior::kIsolated, false));
  EXPECT_THAT(pieces(*make_sequence_splitter(std::move(both)), "ab 12 c3"), ElementsAre("ab", "1", "2", "c", "3"));
}

}  // namespace
}  // namespace bessemer::data
