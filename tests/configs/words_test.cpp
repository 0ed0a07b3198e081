#include "configs/words.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "parallel/error.h"

namespace bessemer::configs {
namespace {

const std::vector<Takeable> kKnown{
    {"a.b", Takes::kOne}, {"list", Takes::kSome}, {"bare", Takes::kNone}, {"maybe", Takes::kOneOrNone}};

std::string shown(const std::vector<std::string>& arguments) {
  std::string out;
  for (const auto& w : split_words(arguments, kKnown)) {
    out += w.known ? w.option : "?" + w.option;
    for (const auto& v : w.values) out += "(" + v + ")";
    out += " ";
  }
  return out;
}

TEST(Words, AreCutAsTyped) {
  EXPECT_EQ(shown({}), "");
  EXPECT_EQ(shown({"x", "--a.b=1", "--a.b", "2", "--bare", "--list", "p", "q", "--maybe"}),
            "(x) a.b(1) a.b(2) bare list(p)(q) maybe(yes) ");
  EXPECT_EQ(shown({"--maybe", "x"}), "maybe(x) ");  // a word behind belongs to the option
  EXPECT_EQ(shown({"--maybe=no", "--a.b=-1", "--a.b", "-1"}), "maybe(no) a.b(-1) a.b(-1) ");
}

TEST(Words, MarksUnknownOptionsAndDoesNotGuess) { EXPECT_EQ(shown({"--a.c=1", "--lis=2"}), "?a.c(1) ?lis(2) "); }

TEST(Words, RefusesAnOptionWithoutItsValue) { EXPECT_THROW(split_words({"--a.b"}, kKnown), Error); }

}  // namespace
}  // namespace bessemer::configs
