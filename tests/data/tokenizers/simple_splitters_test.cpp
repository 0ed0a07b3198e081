#include "data/tokenizers/simple_splitters.h"

#include <gmock/gmock.h>

namespace bessemer::data {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using Pieces = std::vector<std::string>;

Pieces pieces(const std::unique_ptr<Splitter>& splitter, std::string_view text) {
  std::vector<uint32_t> ends;
  splitter->split(text, ends);
  Pieces kept;
  uint32_t begin = 0;
  for (const uint32_t end : ends) {
    EXPECT_GT(end, begin);
    const auto piece = text.substr(begin, end - begin);
    if (splitter->keep(piece)) kept.emplace_back(piece);
    begin = end;
  }
  EXPECT_EQ(begin, text.size());
  return kept;
}

TEST(SimpleSplitters, BertDropsSpaceAndIsolatesPunctuation) {
  const auto bert = make_bert_splitter();
  EXPECT_THAT(pieces(bert, "Hey friend!     How are you?!?"),
              ElementsAre("Hey", "friend", "!", "How", "are", "you", "?", "!", "?"));
  EXPECT_THAT(pieces(bert, "a\u3000é—$5\u20AC"), ElementsAre("a", "é", "—", "$", "5\u20AC"));
  EXPECT_THAT(pieces(bert, ""), IsEmpty());
  EXPECT_THAT(pieces(bert, " \n"), IsEmpty());
}

TEST(SimpleSplitters, WhitespaceSeparatesWordsFromSigns) {
  const auto split = make_whitespace_splitter();
  EXPECT_THAT(pieces(split, "Hey man!? x_1\u0301\u200D -"), ElementsAre("Hey", "man", "!?", "x_1\u0301\u200D", "-"));
  EXPECT_THAT(pieces(make_whitespace_only_splitter(), "Hey, man!\u2028x"), ElementsAre("Hey,", "man!", "x"));
}

TEST(SimpleSplitters, PunctuationGoesWhereTheBehaviorSays) {
  const auto split = [](SplitBehavior behavior) {
    return pieces(make_punctuation_splitter(behavior), "the-final--countdown-");
  };
  EXPECT_THAT(split(SplitBehavior::kIsolated), ElementsAre("the", "-", "final", "-", "-", "countdown", "-"));
  EXPECT_THAT(split(SplitBehavior::kRemoved), ElementsAre("the", "final", "countdown"));
  EXPECT_THAT(split(SplitBehavior::kMergedWithPrevious), ElementsAre("the-", "final-", "-", "countdown-"));
  EXPECT_THAT(split(SplitBehavior::kMergedWithNext), ElementsAre("the", "-final", "-", "-countdown", "-"));
  EXPECT_THAT(split(SplitBehavior::kContiguous), ElementsAre("the", "-", "final", "--", "countdown", "-"));
}

TEST(SimpleSplitters, DigitsStandAloneOrTogether) {
  EXPECT_THAT(pieces(make_digits_splitter(true), "Hey 123 ½x"), ElementsAre("Hey ", "1", "2", "3", " ", "½", "x"));
  EXPECT_THAT(pieces(make_digits_splitter(false), "Hey 123 ½x"), ElementsAre("Hey ", "123", " ", "½", "x"));
}

TEST(SimpleSplitters, DelimiterIsDropped) {
  EXPECT_THAT(pieces(make_delimiter_splitter(0x2581), "▁a b▁▁c"), ElementsAre("a b", "c"));
  EXPECT_THAT(pieces(make_delimiter_splitter('x'), "axxb"), ElementsAre("a", "b"));
}

/// Every text of up to six characters of a few kinds: what follows a safe cut changes no piece before it.
TEST(SimpleSplitters, SafeCutChangesNoPiece) {
  const Pieces characters = {"a", " ", ".", "1", "é"};
  std::vector<std::unique_ptr<Splitter>> all;
  all.push_back(make_bert_splitter());
  all.push_back(make_whitespace_splitter());
  all.push_back(make_whitespace_only_splitter());
  all.push_back(make_digits_splitter(true));
  all.push_back(make_digits_splitter(false));
  all.push_back(make_delimiter_splitter('.'));
  for (const auto behavior : {SplitBehavior::kIsolated, SplitBehavior::kRemoved, SplitBehavior::kMergedWithPrevious,
                              SplitBehavior::kMergedWithNext, SplitBehavior::kContiguous})
    all.push_back(make_punctuation_splitter(behavior));
  for (int number = 0; number < 5 * 5 * 5 * 5; ++number) {
    std::string text;
    for (int left = number, i = 0; i < 4; ++i, left /= 5) text += characters[static_cast<std::size_t>(left % 5)];
    for (const auto& splitter : all) {
      const std::size_t cut = splitter->safe_cut(text);
      for (const char* more : {"", "a", " ", ".", "1", ".a"}) {
        Pieces parts = pieces(splitter, text.substr(0, cut));
        for (auto& piece : pieces(splitter, text.substr(cut) + more)) parts.push_back(piece);
        ASSERT_EQ(parts, pieces(splitter, text + more)) << "'" << text << "' at " << cut;
      }
    }
  }
  EXPECT_EQ(make_bert_splitter()->safe_cut("one two"), 4u);
  EXPECT_EQ(make_bert_splitter()->safe_cut("one two."), 4u) << "behind signs a special text might begin";
  EXPECT_EQ(make_bert_splitter()->safe_cut("\xE3"), 0u) << "the first byte of a character, nothing behind it";
  EXPECT_EQ(make_bert_splitter()->safe_cut("\x80\x80\x0B\xE2"), 0u) << "removed by BERT, and parts of characters";
  EXPECT_EQ(make_bert_splitter()->safe_cut("one"), 0u);
}

}  // namespace
}  // namespace bessemer::data
