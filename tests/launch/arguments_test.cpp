#include "launch/arguments.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "parallel/error.h"

namespace bessemer::launch {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const std::vector<Flag> kFlags{{"input", "PATH", "texts", "", true, true},
                               {"out", "DIR", "where", "", true},
                               {"tokens", "N", "how many", "200"},
                               {"json", "", "for machines"}};

std::string refusal(const std::vector<std::string>& words) {
  try {
    Arguments(words, kFlags);
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::kUsage);
    return e.what();
  }
  return "accepted";
}

TEST(Arguments, ReadsListsDefaultsAndSwitches) {
  const Arguments a({"--input", "a", "b", "--json", "--out=x", "--input=c"}, kFlags);
  EXPECT_THAT(a.list("input"), ElementsAre("a", "b", "c"));
  EXPECT_EQ(a.text("out"), "x");
  EXPECT_EQ(a.count("tokens"), 200);
  EXPECT_TRUE(a.flag("json"));
  EXPECT_FALSE(Arguments({"--input=a", "--out=x"}, kFlags).flag("json"));
}

TEST(Arguments, KnowsWhatWasGiven) {
  const Arguments a({"--input=a", "--out=x", "--tokens=200"}, kFlags);
  EXPECT_TRUE(a.given("tokens"));
  EXPECT_FALSE(Arguments({"--input=a", "--out=x"}, kFlags).given("tokens"));
}

TEST(Arguments, RefusesAllAtOnceAndSuggests) {
  const std::string all = refusal({"--inptu", "a", "--tokens=1", "--tokens=2"});
  EXPECT_THAT(all, HasSubstr("unknown option --inptu; did you mean --input?"));
  EXPECT_THAT(all, HasSubstr("--tokens is given twice"));
  EXPECT_THAT(all, HasSubstr("--input PATH is missing: texts"));
  EXPECT_THAT(all, HasSubstr("--out DIR is missing: where"));
}

TEST(Arguments, DoesNotGuessAbbreviations) {
  EXPECT_THAT(refusal({"--inp=a", "--out=x"}), HasSubstr("unknown option --inp;"));
}

TEST(Arguments, NamesTheFlagOfABadValue) {
  const Arguments a({"--input=a", "--out=x", "--tokens=-3"}, kFlags);
  try {
    a.count("tokens");
    FAIL();
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), HasSubstr("--tokens: '-3' is negative"));
  }
}

TEST(Arguments, RefusesBareWordsThatNobodyTakes) {
  EXPECT_THAT(refusal({"stray", "--out=x", "--input=a"}), HasSubstr("unexpected argument 'stray'"));
  EXPECT_THAT(Arguments({"here", "--out=x", "--input=a"}, kFlags, {"path"}).positional(), ElementsAre("here"));
}

TEST(Arguments, NamesAnOptionWithoutItsValue) { EXPECT_THAT(refusal({"--input=a", "--out"}), HasSubstr("'--out'")); }

}  // namespace
}  // namespace bessemer::launch
