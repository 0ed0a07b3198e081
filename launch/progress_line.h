#pragma once
#include <chrono>
#include <string>

#include "data/build.h"

namespace bessemer::launch {

/// Draws progress: one line again and again on a terminal, else a line each ten seconds.
class ProgressLine {
 public:
  ProgressLine();
  ~ProgressLine();
  void show(const data::BuildProgress& now);

 private:
  using Clock = std::chrono::steady_clock;
  const bool terminal_;
  std::string phase_;
  bool open_ = false;  ///< the line has no end yet
  Clock::time_point begin_{}, last_{};
};

}  // namespace bessemer::launch
