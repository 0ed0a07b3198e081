#include "launch/stop_strings.h"

#include <gtest/gtest.h>

#include "parallel/error.h"

namespace bessemer::launch {
namespace {

struct Said {
  std::string text;
  bool stopped;
  bool operator==(const Said&) const = default;
};

Said said(const std::vector<std::string>& stops, const std::vector<std::string>& pieces) {
  StopStrings one(stops);
  Said out{"", false};
  for (const auto& piece : pieces) out.text += one.next(piece);
  out.stopped = one.stopped();
  if (!out.stopped) out.text += one.finish();
  return out;
}

TEST(StopStrings, CutTheTextBeforeTheFirst) {
  EXPECT_EQ(said({"END"}, {"a text E", "N", "D and more"}), (Said{"a text ", true}));
  EXPECT_EQ(said({"END"}, {"a text E", "N", "d"}), (Said{"a text ENd", false}));
  EXPECT_EQ(said({}, {"a", "b"}), (Said{"ab", false}));
}

TEST(StopStrings, AreFoundWhereverThePiecesEnd) {
  const std::string text = "aabaabaac|aab";
  const std::vector<std::string> stops{"aabaac", "caab", "ab|"};
  for (std::size_t i = 0; i <= text.size(); ++i) {
    for (std::size_t j = i; j <= text.size(); ++j)
      EXPECT_EQ(said(stops, {text.substr(0, i), text.substr(i, j - i), text.substr(j)}), (Said{"aab", true}));
  }
}

TEST(StopStrings, OfTwoThatEndTogetherTheLongerCounts) {
  EXPECT_EQ(said({"b", "ab"}, {"xab"}), (Said{"x", true}));
  EXPECT_EQ(said({"abcd", "bc"}, {"xabcd"}), (Said{"xa", true}));  // the one that is complete first
}

TEST(StopStrings, HoldBackNoMoreThanWhatMayBecomeOne) {
  StopStrings one({"\n\nQ:", "stop"});
  EXPECT_EQ(one.next("hello st"), "hello ");
  EXPECT_EQ(one.next("ay\n"), "stay");
  EXPECT_EQ(one.next("\n"), "");
  EXPECT_EQ(one.next("\n"), "\n");
  EXPECT_EQ(one.next("A:"), "\n\nA:");
  EXPECT_EQ(one.finish(), "");
}

TEST(StopStrings, AnEmptyOneIsRefused) { EXPECT_THROW(StopStrings({"a", ""}), Error); }

}  // namespace
}  // namespace bessemer::launch
