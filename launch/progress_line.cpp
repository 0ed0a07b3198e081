#include "launch/progress_line.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

namespace bessemer::launch {
namespace {

double seconds(std::chrono::steady_clock::time_point since) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - since).count();
}

}  // namespace

ProgressLine::ProgressLine() : terminal_(isatty(STDERR_FILENO) != 0) {}

ProgressLine::~ProgressLine() {
  if (open_) fmt::print(stderr, "\n");
}

void ProgressLine::show(const data::BuildProgress& now) {
  if (now.phase != phase_) phase_ = now.phase, begin_ = last_ = Clock::now();
  const double since = seconds(last_), passed = seconds(begin_);
  const bool end = now.bytes == now.total_bytes;
  if (since < (terminal_ ? 0.2 : 10.0) && !(end && terminal_)) return;
  last_ = Clock::now();
  const double speed = static_cast<double>(now.bytes) / std::max(passed, 1e-9);
  const double left =
      static_cast<double>(now.total_bytes - std::min(now.bytes, now.total_bytes)) / std::max(speed, 1.0);
  fmt::print(stderr, "{}{} {:.1f} of {:.1f} MB | {:.1f} MB/s | {} tokens | {:.0f} s left{}", terminal_ ? "\r" : "",
             now.phase, static_cast<double>(now.bytes) / 1e6, static_cast<double>(now.total_bytes) / 1e6, speed / 1e6,
             now.tokens, left, terminal_ ? "   " : "\n");
  open_ = terminal_;
}

CountLine::CountLine(std::string doing, std::string things, std::size_t total)
    : terminal_(isatty(STDERR_FILENO) != 0), doing_(std::move(doing)), things_(std::move(things)), total_(total) {}

CountLine::~CountLine() {
  if (open_) fmt::print(stderr, "\n");
}

void CountLine::show(std::size_t done) {
  if (seconds(last_) < (terminal_ ? 0.2 : 10.0) && !(done == total_ && terminal_)) return;
  last_ = Clock::now();
  const double speed = static_cast<double>(done) / std::max(seconds(begin_), 1e-9);
  const double left = static_cast<double>(total_ - std::min(done, total_)) / std::max(speed, 1e-9);
  fmt::print(stderr, "{}{}: {} of {} {} | {:.1f} {}/s | {:.0f} s left{}", terminal_ ? "\r" : "", doing_, done, total_,
             things_, speed, things_, left, terminal_ ? "   " : "\n");
  open_ = terminal_;
}

}  // namespace bessemer::launch
