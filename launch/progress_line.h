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

/// Likewise of things that are counted: "embed: 128 of 1000 texts".
class CountLine {
 public:
  CountLine(std::string doing, std::string things, std::size_t total);
  ~CountLine();
  void show(std::size_t done);

 private:
  using Clock = std::chrono::steady_clock;
  const bool terminal_;
  std::string doing_, things_;
  std::size_t total_;
  bool open_ = false;
  Clock::time_point begin_ = Clock::now(), last_ = begin_;
};

}  // namespace bessemer::launch
