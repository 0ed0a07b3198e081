#include "trainer/progress.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>

namespace bessemer::trainer {
namespace {

StepReport report(int64_t step) {
  return {step, 5000, 4.12344, 3e-4, 0.81, 65536, 57700, 142, 0.001, 0.412, 692, false};
}

std::string printed(ProgressStyle style, int64_t from, int64_t to) {
  char* text = nullptr;
  std::size_t size = 0;
  std::FILE* out = open_memstream(&text, &size);
  {
    Progress progress(style, out);
    for (int64_t step = from; step <= to; ++step) progress.step(report(step));
  }
  std::fclose(out);
  const std::string result(text, size);
  free(text);
  return result;
}

TEST(ProgressLine, SaysAllThatIsKnown) {
  EXPECT_EQ(
      progress_line(report(120)),
      "step  120/5000 | loss 4.1234 | lr 3.00e-04 | gnorm 0.81 | scale 65536 | 57.7k tok/s | 142 ms | data 0.1% | mfu 41.2% | "
      "eta 11m32s");
}

TEST(ProgressLine, LeavesOutWhatIsNot) {
  const StepReport r{1, 9, std::nan(""), 1e-3, 2, 0, 800, 1.25, 0, -1, -1, false};
  EXPECT_EQ(progress_line(r), "step 1/9 | loss nan | lr 1.00e-03 | gnorm 2 | 800 tok/s | 1.2 ms | data 0.0%");
}

TEST(Progress, InALogHasPlainLinesEveryFewSteps) {
  const auto text = printed({false, true, 10}, 1, 25);
  EXPECT_EQ(text,
            progress_line(report(1)) + "\n" + progress_line(report(10)) + "\n" + progress_line(report(20)) + "\n");
}

TEST(Progress, OnATerminalIsOneLineAndEndsIt) {
  const auto text = printed({true, false, 10}, 1, 3);
  EXPECT_EQ(text.front(), '\r');
  EXPECT_EQ(text.back(), '\n');
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1);
  EXPECT_EQ(text.find("\x1b[0m"), std::string::npos);
  EXPECT_NE(printed({true, true, 10}, 1, 1).find("\x1b[0m"), std::string::npos);
}

}  // namespace
}  // namespace bessemer::trainer
