#include "launch/commands.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "parallel/error.h"

namespace bessemer::launch {
namespace {

using testing::HasSubstr;

std::vector<Command> commands() {
  const auto help = [] { return std::string("example:\n"); };
  return {{"train", "trains", help, [](const Words& words) { return static_cast<int>(words.size()); }},
          {"data build", "builds", help, [](const Words& words) { return 10 + static_cast<int>(words.size()); }},
          {"data info", "informs", help, [](const Words&) { return 20; }}};
}

std::string refusal(const Words& words) {
  std::ostringstream out;
  try {
    dispatch(commands(), words, out);
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::kUsage);
    return e.what();
  }
  return "accepted";
}

TEST(Dispatch, HandsTheRestToOneAndTwoWordCommands) {
  std::ostringstream out;
  EXPECT_EQ(dispatch(commands(), {"train", "a", "b"}, out), 2);
  EXPECT_EQ(dispatch(commands(), {"data", "build", "a"}, out), 11);
}

TEST(Dispatch, NamesACommandByAllItsWords) {
  EXPECT_EQ(name_of(commands(), {"data", "info", "x"}), "data info");
  EXPECT_EQ(name_of(commands(), {"train"}), "train");
  EXPECT_EQ(name_of(commands(), {"data", "inof"}), "data");
  EXPECT_EQ(name_of(commands(), {}), "");
}

TEST(Dispatch, SuggestsForUnknownOnes) {
  EXPECT_THAT(refusal({"trian"}), HasSubstr("unknown command 'trian'; did you mean 'bessemer train'?"));
  EXPECT_THAT(refusal({"data", "biuld"}), HasSubstr("did you mean 'bessemer data build'?"));
  EXPECT_THAT(refusal({"tarin", "run.ini"}), HasSubstr("did you mean 'bessemer train'?"));
  EXPECT_THAT(refusal({"data"}), HasSubstr("data build, data info"));
  EXPECT_THAT(refusal({"qqqqqqqqqqqq"}), HasSubstr("`bessemer help` lists them"));
}

TEST(Dispatch, ShowsHelpWhereverItIsAskedFor) {
  for (const Words& words : {Words{"train", "--help"}, Words{"help", "train"}, Words{"data", "build", "-h"}}) {
    std::ostringstream out;
    EXPECT_EQ(dispatch(commands(), words, out), 0);
    EXPECT_EQ(out.str(), "example:\n");
  }
  std::ostringstream out;
  EXPECT_EQ(dispatch(commands(), {"help"}, out), 0);
  EXPECT_THAT(out.str(), HasSubstr("data build"));
  EXPECT_EQ(dispatch(commands(), {}, out), static_cast<int>(ExitCode::kUsage));
}

}  // namespace
}  // namespace bessemer::launch
