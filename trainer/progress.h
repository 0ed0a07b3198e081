#pragma once
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

namespace bessemer::trainer {

struct ProgressStyle {
  bool terminal = false;  ///< one line that is drawn again; else plain lines
  bool color = false;     ///< NO_COLOR and the like are decided by the caller
  int64_t every = 10;     ///< steps between plain lines
};

struct StepReport {
  int64_t step = 0;   ///< steps finished
  int64_t steps = 0;  ///< in all
  double loss = 0;
  double lr = 0;
  double grad_norm = 0;
  double loss_scale = 0;  ///< 0: not scaled, not shown
  double tokens_per_s = 0;
  double ms = 0;
  double data_share = 0;                                   ///< 0 ... 1: of the step, spent waiting for data
  double mfu = 0;                                          ///< 0 ... 1; negative: peak unknown, not shown
  double eta_seconds = -1;                                 ///< negative: not shown
  bool skipped = false;                                    ///< overflow: no update
  std::vector<std::pair<std::string, double>> terms = {};  ///< shown behind the loss
};

/// "step   120/5000 | loss 4.1234 | lr 3.00e-04 | gnorm 0.81 | scale 65536 | 57.7k tok/s | 142 ms | data 0.1% | mfu
/// 41.2% | eta 11m32s"
std::string progress_line(const StepReport& report);

/// The line one looks at while a run trains. Writes to `out` (stderr), which it borrows.
class Progress {
 public:
  Progress(ProgressStyle style, std::FILE* out) : style_(style), out_(out) {}
  ~Progress();  ///< ends a half-drawn line
  void step(const StepReport& report);
  void note(const std::string& text);  ///< a line of its own, above the progress line

 private:
  ProgressStyle style_;
  std::FILE* out_;
  bool drawn_ = false;
  std::chrono::steady_clock::time_point last_draw_{};
};

}  // namespace bessemer::trainer
