#include "data/tokenizers/regex.h"

#include <gmock/gmock.h>

#include <vector>

#include "parallel/error.h"

namespace bessemer::data {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::string> matches(const std::string& expression, const std::string& text) {
  const Regex regex(expression);
  Regex::Search search(regex, text);
  std::vector<std::string> found;
  for (std::size_t begin = 0, end = 0; search.next(begin, end);) found.push_back(text.substr(begin, end - begin));
  return found;
}

std::string refusal(const std::string& expression) {
  try {
    const Regex regex(expression);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kBadData);
    return error.what();
  }
  ADD_FAILURE() << expression << " was accepted";
  return "";
}

TEST(Regex, ReadsClassesAsOnigurumaDoes) {
  EXPECT_THAT(matches("\\w+", "aé1_\u0301 -½x\u200D"), ElementsAre("aé1_\u0301", "½x"));
  EXPECT_THAT(matches("[\\w-]+", "a-½"), ElementsAre("a-"));
  EXPECT_THAT(matches("\\h", "gF"), ElementsAre("F"));
  EXPECT_THAT(matches("[^\\s\\p{L}]+", "a!\u180E é?"), ElementsAre("!\u180E", "?"));
  EXPECT_THAT(matches("\\p{L}+", "a\u1C89"), ElementsAre("a\u1C89"));  // a letter since Unicode 16
  EXPECT_THAT(matches("\\P{L}+", "a\u1C89!"), ElementsAre("!"));
  EXPECT_THAT(matches("(?i:'s)|[]a]", "'S]"), ElementsAre("'S", "]"));
  EXPECT_THAT(matches(".$", "a\nb"), ElementsAre("a", "b"));
}

TEST(Regex, GivesNoEmptyMatchBehindAMatch) {
  EXPECT_THAT(matches("b*", "abb"), ElementsAre("", "bb"));
  EXPECT_THAT(matches("x*", ""), ElementsAre(""));
}

TEST(Regex, TakesLongTexts) {
  const std::string text(1 << 20, 'a');
  EXPECT_THAT(matches("(?:a|b)+", text), ElementsAre(text));
}

TEST(Regex, RefusesWhatItDoesNotKnow) {
  EXPECT_THAT(refusal("a(b"), HasSubstr("at byte 3"));
  EXPECT_THAT(refusal("[a&&b]"), HasSubstr("intersection"));
  EXPECT_THAT(refusal("[a[b]]"), HasSubstr("class within a class"));
  EXPECT_THAT(refusal("a{1,2}+"), HasSubstr("interval"));
  EXPECT_THAT(refusal("(?m:.)"), HasSubstr("option m"));
  EXPECT_THAT(refusal("[\\W]"), HasSubstr("negated class"));
  EXPECT_THAT(refusal("a\\"), HasSubstr("at byte 2"));
  EXPECT_THAT(refusal("\\C"), HasSubstr("regular expression"));
}

TEST(Regex, GivesUpWithAnError) { EXPECT_THROW(matches("(a+)+$", std::string(40, 'a') + "b"), Error); }

}  // namespace
}  // namespace bessemer::data
