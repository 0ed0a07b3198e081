#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>

#include "launch/commands.h"
#include "parallel/error.h"
#include "tests/support/small_checkpoint.h"
#include "tests/support/temporary_directory.h"

namespace bessemer::launch {
namespace {

using testing::HasSubstr;

struct Result {
  int code;
  std::string out;
};

Result call(const Words& words) {
  std::ostringstream help;
  testing::internal::CaptureStdout();
  try {
    const int code = dispatch(ckpt_commands(), words, help);
    std::fflush(stdout);
    return {code, testing::internal::GetCapturedStdout() + help.str()};
  } catch (...) {
    testing::internal::GetCapturedStdout();
    throw;
  }
}

TEST(CkptCommands, ShowWhatARunHolds) {
  tests::TemporaryDirectory run;
  const auto path = tests::save_small(run.path(), 5, 1.25);
  EXPECT_THAT(call({"ckpt", "list", run.path()}).out, HasSubstr(path));
  const auto listed = nlohmann::json::parse(call({"ckpt", "list", run.path(), "--json"}).out);
  EXPECT_EQ(listed["checkpoints"][0]["step"], 5);
  EXPECT_EQ(listed["checkpoints"][0]["validation_loss"], 1.25);
  EXPECT_THAT(call({"ckpt", "info", run.path()}).out, HasSubstr("15 parameters"));
  EXPECT_EQ(nlohmann::json::parse(call({"ckpt", "info", path, "--json"}).out)["tensors"]["params/w"][1], 5);
}

TEST(CkptCommands, VerifyNamesWhatIsBrokenAndExitsWith65) {
  tests::TemporaryDirectory run;
  const auto path = tests::save_small(run.path(), 5);
  EXPECT_EQ(call({"ckpt", "verify", run.path()}).code, 0);
  std::filesystem::resize_file(path + "/rank-00001.json", 9);
  const auto broken = call({"ckpt", "verify", path});
  EXPECT_EQ(broken.code, 65);
  EXPECT_THAT(broken.out, HasSubstr("rank-00001.json"));
  EXPECT_FALSE(nlohmann::json::parse(call({"ckpt", "verify", path, "--json"}).out)["good"].get<bool>());
  EXPECT_FALSE(
      nlohmann::json::parse(call({"ckpt", "list", run.path(), "--json"}).out)["checkpoints"][0]["good"].get<bool>());
}

TEST(CkptCommands, BeginTheirHelpWithAnExample) {
  for (const char* name : {"list", "info", "verify"})
    EXPECT_EQ(call({"ckpt", name, "--help"}).out.rfind("example:", 0), 0u);
  EXPECT_THROW(call({"ckpt", "list"}), Error);
  EXPECT_THROW(call({"ckpt", "info", "/nowhere"}), Error);
}

}  // namespace
}  // namespace bessemer::launch
