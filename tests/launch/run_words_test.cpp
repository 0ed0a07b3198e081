#include "launch/run_words.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/configs/support.h"

namespace bessemer::launch {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const std::vector<Flag> kFlags{{"ranks", "N", "", "0"}, {"json", "", ""}};

TEST(RunWords, TellsFileFlagsAndOptionsApartInAnyOrder) {
  configs::Files files;
  const auto file = files.write("a.ini", "[train]\nsteps = 3\n");
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{file, "--ranks", "4", "--json", "--run.seed", "5"},
        {"--ranks=4", "--json", "--run.seed=5", file},
        {"--run.seed", "5", "--json", file, "--ranks", "4"}}) {
    const auto run = read_run_words(words, kFlags);
    EXPECT_THAT(run.parsed.problems, IsEmpty());
    EXPECT_EQ(run.parsed.config.train.steps, 3);
    EXPECT_EQ(run.parsed.config.run.seed, 5u);
    EXPECT_EQ(run.own.count("ranks"), 4);
    EXPECT_TRUE(run.own.flag("json"));
  }
}

TEST(RunWords, ABareSwitchTakesNoFile) {
  configs::Files files;
  const auto file = files.write("a.ini", "[train]\nsteps = 3\n");
  for (const std::vector<std::string>& words : {std::vector<std::string>{"--parallel.zero", file},
                                                {"--parallel.zero", "yes", file},
                                                {"--parallel.zero=yes", file},
                                                {file, "--parallel.zero"}}) {
    const auto run = read_run_words(words, kFlags);
    EXPECT_THAT(run.parsed.problems, IsEmpty());
    EXPECT_EQ(run.parsed.config.train.steps, 3);
    EXPECT_TRUE(run.parsed.config.parallel.zero);
  }
  EXPECT_FALSE(read_run_words({"--parallel.zero", "no", file}, kFlags).parsed.config.parallel.zero);
}

TEST(RunWords, RefusesASecondFile) {
  configs::Files files;
  const auto file = files.write("a.ini", "");
  EXPECT_THAT(read_run_words({file, "b.ini"}, kFlags).parsed.problems,
              ElementsAre(HasSubstr("unexpected argument 'b.ini'")));
}

TEST(RunWords, HandsUnknownFlagsToTheRun) {
  EXPECT_THAT(read_run_words({"--sed=1"}, kFlags).parsed.problems,
              ElementsAre(HasSubstr("unknown option --sed (command line); did you mean run.seed?")));
}

}  // namespace
}  // namespace bessemer::launch
