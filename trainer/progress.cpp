#include "trainer/progress.h"

#include <fmt/format.h>

#include <cmath>

namespace bessemer::trainer {
namespace {

std::string rate(double per_second) {
  if (per_second >= 1e6) return fmt::format("{:.2f}M", per_second / 1e6);
  if (per_second >= 1e3) return fmt::format("{:.1f}k", per_second / 1e3);
  return fmt::format("{:.0f}", per_second);
}

std::string duration(double seconds) {
  const auto s = static_cast<int64_t>(std::llround(seconds));
  if (s >= 86400) return fmt::format("{}d{:02}h", s / 86400, s / 3600 % 24);
  if (s >= 3600) return fmt::format("{}h{:02}m", s / 3600, s / 60 % 60);
  if (s >= 60) return fmt::format("{}m{:02}s", s / 60, s % 60);
  return fmt::format("{}s", s);
}

}  // namespace

std::string progress_line(const StepReport& r) {
  const auto width = fmt::format("{}", r.steps).size();
  std::string line = fmt::format("step {:>{}}/{} | loss {:.4f}", r.step, width, r.steps, r.loss);
  for (const auto& [name, mean] : r.terms) line += fmt::format(" | {} {:.3f}", name, mean);
  line += fmt::format(" | lr {:.2e} | gnorm {:.3g}", r.lr, r.grad_norm);
  if (r.loss_scale > 0) line += fmt::format(" | scale {:g}{}", r.loss_scale, r.skipped ? " skipped" : "");
  line += fmt::format(" | {} tok/s | {:.{}f} ms", rate(r.tokens_per_s), r.ms, r.ms < 10 ? 1 : 0);
  line += fmt::format(" | data {:.1f}%", 100 * r.data_share);
  if (r.mfu >= 0) line += fmt::format(" | mfu {:.1f}%", 100 * r.mfu);
  if (r.eta_seconds >= 0) line += " | eta " + duration(r.eta_seconds);
  return line;
}

Progress::~Progress() {
  if (drawn_) std::fputc('\n', out_);
}

void Progress::step(const StepReport& report) {
  const bool last = report.step == report.steps;
  if (!style_.terminal) {
    const bool due = report.step == 1 || last || (style_.every > 0 && report.step % style_.every == 0);
    if (due || !std::isfinite(report.loss)) fmt::print(out_, "{}\n", progress_line(report));
    std::fflush(out_);
    return;
  }
  const auto now = std::chrono::steady_clock::now();
  if (!last && drawn_ && now - last_draw_ < std::chrono::milliseconds(100)) return;  // eyes are slower than small steps
  const char* begin = style_.color ? (std::isfinite(report.loss) ? "\x1b[1m" : "\x1b[1;31m") : "";
  fmt::print(out_, "\r{}{}{}\x1b[K", begin, progress_line(report), style_.color ? "\x1b[0m" : "");
  std::fflush(out_);
  last_draw_ = now;
  drawn_ = true;
}

void Progress::note(const std::string& text) {
  if (drawn_) std::fputs("\r\x1b[K", out_);
  drawn_ = false;
  fmt::print(out_, "{}\n", text);
  std::fflush(out_);
}

}  // namespace bessemer::trainer
