#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/configs/support.h"
#include "tests/support/paths.h"

// The binary itself, as a process: what a user sees.
namespace bessemer::launch {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

struct Ended {
  int code = 0;
  std::string out;  // stdout and stderr together
};

/// \param words  of a shell, behind the binary's name; redirect there to look at one stream.
Ended bessemer(const std::string& words, const std::string& before = "") {
  Ended ended;
  FILE* pipe = popen(("{ " + before + " " + tests::kBinary + " " + words + "; } 2>&1").c_str(), "r");
  std::array<char, 4096> buffer;
  for (std::size_t n; (n = fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) ended.out.append(buffer.data(), n);
  ended.code = WEXITSTATUS(pclose(pipe));
  return ended;
}

TEST(Binary, SaysWhenItsOutputIsLost) {
  const auto lost = bessemer("version > /dev/full");
  EXPECT_EQ(lost.code, 69);
  EXPECT_THAT(lost.out, HasSubstr("stdout cannot be written"));
}

TEST(Binary, ListsItsCommands) {
  const auto help = bessemer("--help");
  EXPECT_EQ(help.code, 0);
  EXPECT_THAT(help.out, HasSubstr("example:"));
  for (const char* name : {"config show", "config check", "version"}) EXPECT_THAT(help.out, HasSubstr(name));
  EXPECT_EQ(bessemer("").code, 64);
}

TEST(Binary, HelpOfEveryCommandBeginsWithAnExample) {
  for (const char* name : {"config show", "config check", "version"}) {
    const auto help = bessemer(std::string(name) + " --help");
    EXPECT_EQ(help.code, 0);
    EXPECT_THAT(help.out, StartsWith("example:\n  bessemer "));
  }
}

TEST(Binary, EndsWith64AndASuggestionForAnUnknownCommand) {
  const auto ended = bessemer("config chekc");
  EXPECT_EQ(ended.code, 64);
  EXPECT_THAT(ended.out, StartsWith("error: unknown command 'config chekc'; did you mean 'bessemer config check'?\n"));
  EXPECT_THAT(ended.out, HasSubstr("exit 64, usage or configuration"));
}

TEST(Binary, KeepsStdoutForResults) {
  EXPECT_EQ(bessemer("config check --train.stpes=1 2>/dev/null").out, "");
  EXPECT_THAT(bessemer("config check --train.stpes=1").out,
              HasSubstr("unknown option --train.stpes (command line); did you mean train.steps?"));
}

TEST(Binary, ShownConfigurationReloadsToItself) {
  configs::Files files;
  const auto shown = bessemer("config show --model.preset=tiny --run.dir='a # \"b\"'");
  EXPECT_EQ(shown.code, 0);
  const auto again = bessemer("config show " + files.write("a.ini", shown.out));
  EXPECT_EQ(again.out, shown.out);
  EXPECT_THAT(shown.out, HasSubstr("[model]\nfamily = gpt\npreset = tiny\nlayers = 2\n"));
}

TEST(Binary, SaysWhereAValueCameFrom) {
  configs::Files files;
  const auto file = files.write("a.ini", "[train]\nsteps = 3\n");
  const auto shown = bessemer("config show --origin " + file + " --run.seed=5", "BESSEMER_LOG_EVERY=4");
  EXPECT_THAT(shown.out, HasSubstr("steps = 3  # " + file + ":2\n"));
  EXPECT_THAT(shown.out, HasSubstr("seed = 5  # command line\n"));
  EXPECT_THAT(shown.out, HasSubstr("every = 4  # environment variable BESSEMER_LOG_EVERY\n"));
  EXPECT_THAT(shown.out, HasSubstr("lr = 0.001  # default\n"));
}

TEST(Binary, ChecksAllRulesAtOnceWithTheirOrigins) {
  configs::Files files;
  const auto file = files.write("a.ini", "[model]\nheads = 5\n[optimizer]\nmin_lr = 1\n");
  const auto ended = bessemer("config check " + file + " --ranks 3 --parallel.tp=2");
  EXPECT_EQ(ended.code, 64);
  EXPECT_THAT(ended.out, StartsWith("error: "));
  EXPECT_THAT(ended.out, HasSubstr("cannot be split over model.heads 5"));
  EXPECT_THAT(ended.out, HasSubstr("[model.heads: " + file + ":2]"));
  EXPECT_THAT(ended.out, HasSubstr("[optimizer.min_lr: " + file + ":4]"));
  EXPECT_THAT(ended.out, HasSubstr("parallel.tp 2 does not divide the 3 ranks"));
  EXPECT_THAT(ended.out, HasSubstr("[parallel.tp: command line]"));
}

TEST(Binary, SaysTheLayoutOfAGoodConfiguration) {
  EXPECT_EQ(bessemer("config check --ranks 4 --parallel.tp=2").out,
            "good: 4 ranks = dp 2 x tp 2, global batch 12 = micro-batch 6 x dp 2 x 1 micro-steps\n");
  const auto json = nlohmann::json::parse(bessemer("config check --json --train.global_batch=7 --ranks 2").out);
  EXPECT_FALSE(json["good"].get<bool>());
  EXPECT_EQ(json["problems"].size(), 1u);
}

TEST(Binary, KnowsItsVersions) {
  const auto json = nlohmann::json::parse(bessemer("version --json").out);
  for (const char* name :
       {"bessemer", "libtorch", "mpi", "hdf5", "boost", "blas", "instruction set", "compiler", "build type", "cuda"}) {
    EXPECT_FALSE(json[name].get<std::string>().empty()) << name;
  }
  EXPECT_THAT(bessemer("version").out, HasSubstr("libtorch         2.11"));
}

TEST(Binary, UsesNoColoursWhereNoTerminalIs) { EXPECT_THAT(bessemer("nonsense").out, Not(HasSubstr("\033"))); }

}  // namespace
}  // namespace bessemer::launch
