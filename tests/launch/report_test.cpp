#include "launch/report.h"

#include <gtest/gtest.h>

#include <sstream>

namespace bessemer::launch {
namespace {

std::string block(const std::string& message, const Place& place, bool colour = false) {
  std::ostringstream out;
  write_error(out, ExitCode::kBadData, message, place, colour);
  return out.str();
}

TEST(WriteError, SaysWhatWhereAndWhatToDo) {
  EXPECT_EQ(
      block("the file is short", {"train", "b", 3, 8}),
      "error: the file is short\n  in: bessemer train, rank 3 of 8 on b\n"
      "  exit 65, data or checkpoint: not what is needed here; `bessemer data verify` and `bessemer ckpt verify` find damage\n");
  EXPECT_EQ(block("x", {"eval", "b", 0, 1}).substr(0, 31), "error: x\n  in: bessemer eval\n  ");
}

TEST(WriteError, ListsSeveralProblems) {
  EXPECT_EQ(block("a\nb", {}).substr(0, 32), "error: 2 problems\n  - a\n  - b\n  ");
}

TEST(WriteError, LetsNoControlCharactersThrough) {
  EXPECT_EQ(block(std::string("a\0\033b\tc", 6), {}).substr(0, 13), "error: a??b\tc");
}

TEST(WriteError, ColoursOnlyOnRequest) { EXPECT_EQ(block("a", {}, true).substr(0, 8), "\033[1;31me"); }

TEST(ExitAdvice, KnowsEveryCode) {
  for (const int code : {0, 64, 65, 69, 70, 74, 75, 76, 77, 78})
    EXPECT_NE(exit_advice(static_cast<ExitCode>(code)), "");
}

}  // namespace
}  // namespace bessemer::launch
