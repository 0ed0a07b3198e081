#include "data/tokenizers/charsmap.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "parallel/error.h"
#include "tests/support/sentencepiece_writer.h"

namespace bessemer::data {
namespace {

using testing::HasSubstr;

Charsmap map_of(const std::map<std::string, std::string>& rules) {
  return Charsmap::parse(tests::charsmap_blob(rules));
}

std::string applied(const Charsmap& map, std::string text) {
  map.apply(text);
  return text;
}

std::string refusal(const std::string& blob) {
  try {
    Charsmap::parse(blob);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kBadData);
    return error.what();
  }
  return "no error";
}

TEST(Charsmap, TheLongestRuleReplaces) {
  const auto map = map_of({{"a", "1"}, {"ab", "2"}, {"abcd", "3"}, {"é", "e"}, {"\t", " "}, {"x", ""}});
  EXPECT_EQ(applied(map, "abcd abc ab a é\tx!"), "3 2c 2 1 e !");
  EXPECT_EQ(map.shortest("abcd").by, "1");
  EXPECT_EQ(map.longest("abcd").by, "3");
  EXPECT_EQ(map.longest("b").length, 0u);
  std::string out;
  EXPECT_EQ(map.append_prefix("abx", out), 2u);
  EXPECT_EQ(map.append_prefix("世界", out), 3u);
  EXPECT_EQ(map.append_prefix("", out), 0u);
  EXPECT_EQ(out, "2世");
}

TEST(Charsmap, KnowsTheBytesThatItLeavesAlone) {
  const auto map = map_of({{"a", "1"}, {"bc", "2"}, {"e\u0301", "é"}});
  EXPECT_FALSE(map.leaves('a'));
  EXPECT_FALSE(map.leaves('b'));
  EXPECT_TRUE(map.leaves('c'));
  EXPECT_TRUE(map.leaves('e'));  // before an ASCII byte
  EXPECT_FALSE(map.leaves(0xC3));
  EXPECT_EQ(applied(map, "e\u0301ee\u0301e"), "éeée");
}

TEST(Charsmap, WithoutRulesLeavesEverything) {
  EXPECT_EQ(applied(Charsmap(), "aé"), "aé");
  EXPECT_TRUE(Charsmap().leaves('a'));
}

TEST(Charsmap, RulesThatEndWithinACharacterAreNone) {
  const auto map = map_of({{"\xC3", "!"}});
  EXPECT_EQ(applied(map, "é"), "é");
}

TEST(Charsmap, RefusesDamagedBlobs) {
  const std::string good = tests::charsmap_blob({{"a", "1"}});
  EXPECT_THAT(refusal(""), HasSubstr("0 bytes"));
  EXPECT_THAT(refusal(good.substr(0, 200)), HasSubstr("double array"));
  EXPECT_THAT(refusal(good.substr(0, good.size() - 1)), HasSubstr("NUL"));
  std::string bad = good;
  bad[bad.size() - 2] = '\xFF';
  EXPECT_THAT(refusal(bad), HasSubstr("UTF-8"));
  bad = good;
  bad[0] = 2;
  EXPECT_THAT(refusal(bad), HasSubstr("multiple of 4"));
  EXPECT_THAT(refusal(tests::charsmap_blob({{"a", std::string(5000, 'x')}})), HasSubstr("5000 bytes"));
}

TEST(Charsmap, RandomDamageIsRefusedOrHarmless) {
  std::mt19937 random(1);
  const std::string good = tests::charsmap_blob({{"a", "1"}, {"ab", "22"}, {"é", "e"}, {"世", ""}});
  for (int i = 0; i < 4000; ++i) {
    std::string blob = good;
    for (int n = 0; n < 8; ++n) blob[random() % blob.size()] = static_cast<char>(random());
    if (i % 2 == 0) blob.replace(0, 4, good, 0, 4);
    try {
      const auto map = Charsmap::parse(blob);
      applied(map, "abcabé世界a\u0301");
      applied(map, std::string(1000, 'a'));
    } catch (const Error&) {
    }
  }
}

}  // namespace
}  // namespace bessemer::data
