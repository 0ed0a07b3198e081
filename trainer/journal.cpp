#include "trainer/journal.h"

#include <fmt/format.h>

#include <cmath>
#include <vector>

namespace bessemer::trainer {

Journal::Journal(const Trainer& trainer, const RunParts& parts) : trainer_(trainer), parts_(parts) {
  if (trainer.grid().rank != 0) return;
  const auto counters = trainer.counters();
  progress_.emplace(parts.style, parts.out);
  metrics_.emplace(parts.directory.file("metrics.jsonl"), counters.step);
  if (parts.log.tensorboard) events_.emplace(parts.directory.path(), counters.step + 1);
  last_tokens_ = counters.tokens;
  peak_ = peak_flops(trainer.options().train.precision, trainer.grid().device);
  if (parts.memory != nullptr) parts.memory->reset_peak();  // what was measured with is no part of a step
  flops_per_token_ =
      trainer.model().cost(trainer.plan().micro_batch, dtype_of(trainer.options().train.precision)).flops_per_token;
  note(
      fmt::format("mfu = {:.3g} FLOP per token (forward and backward matrix products) x tokens/s / ({} ranks x {:.3g} "
                  "FLOP/s: {})",
                  flops_per_token_, trainer.grid().topology.ranks(), peak_.per_second, peak_.source));
}

void Journal::step(const StepResult& r) {
  if (!progress_) return;
  const auto& train = trainer_.options().train;
  const double seconds = r.times.total / 1e3;
  mean_seconds_ = mean_seconds_ > 0 ? 0.95 * mean_seconds_ + 0.05 * seconds : seconds;
  const double rate = static_cast<double>(r.tokens - last_tokens_) / seconds;
  last_tokens_ = r.tokens;
  const double mfu = flops_per_token_ * rate / (peak_.per_second * trainer_.grid().topology.ranks());
  StepReport report{r.step,
                    train.steps,
                    r.loss,
                    r.lr,
                    r.grad_norm,
                    train.precision == Precision::kFp16 ? r.loss_scale : 0.0,
                    rate,
                    r.times.total,
                    r.times.data / r.times.total,
                    mfu,
                    mean_seconds_ * static_cast<double>(train.steps - r.step),
                    r.skipped,
                    r.terms};
  progress_->step(report);
  std::vector<Metric> line{{"step", r.step},
                           {"loss", r.loss},
                           {"lr", r.lr},
                           {"grad_norm", r.grad_norm},
                           {"loss_scale", r.loss_scale},
                           {"tokens", r.tokens},
                           {"skipped", int64_t{r.skipped}},
                           {"ms", r.times.total},
                           {"tokens_per_s", rate},
                           {"mfu", mfu},
                           {"data_ms", r.times.data},
                           {"forward_ms", r.times.forward},
                           {"backward_ms", r.times.backward},
                           {"communication_ms", r.times.communication},
                           {"optimizer_ms", r.times.optimizer}};
  for (const auto& [name, mean] : r.terms) line.push_back({name, mean});
  say(metrics_->write(line));
  events(r, rate, mfu);
}

void Journal::events(const StepResult& r, double rate, double mfu) {
  if (!events_) return;
  try {
    events_->scalar("train/loss", r.step, r.loss);
    events_->scalar("train/grad_norm", r.step, r.grad_norm);
    events_->scalar("train/lr", r.step, r.lr);
    events_->scalar("train/loss_scale", r.step, r.loss_scale);
    for (const auto& [name, mean] : r.terms) events_->scalar("train/" + name, r.step, mean);
    events_->scalar("perf/ms_per_step", r.step, r.times.total);
    events_->scalar("perf/tokens_per_s", r.step, rate);
    events_->scalar("perf/mfu", r.step, mfu);
  } catch (const Error& error) {
    without_events(error);
  }
}

void Journal::evaluation(int64_t step, const std::string& set, const Evaluation& result) {
  if (!progress_) return;
  std::string text = fmt::format("step {}: eval loss{}{} {:.4f}, perplexity {:.2f}", step, set.empty() ? "" : " of ",
                                 set, result.loss, std::exp(result.token_loss));
  std::vector<Metric> line{{"step", step}};
  if (!set.empty()) line.push_back({"set", set});
  line.push_back({"eval_loss", result.loss});
  for (const auto& [name, mean] : result.terms) {
    text += fmt::format(", {} {:.4f}", name, mean);
    line.push_back({"eval_" + name, mean});
  }
  note(text);
  say(metrics_->write(line));
  try {
    const auto scalar = [&](const std::string& name, double value) {
      if (events_) events_->scalar("eval/" + name + (set.empty() ? "" : "/" + set), step, value);
    };
    scalar("loss", result.loss);
    for (const auto& [name, mean] : result.terms) scalar(name, mean);
  } catch (const Error& error) {
    without_events(error);
  }
}

void Journal::say(const std::string& problem) {
  if (!problem.empty()) note("warning: metrics wait in memory, training goes on: " + problem);
}

Journal::~Journal() {
  if (metrics_) say(metrics_->flush());
}

void Journal::without_events(const Error& error) {
  note(std::string("warning: no more TensorBoard events from this process, training goes on: ") + error.what());
  events_.reset();
}

void Journal::note(const std::string& text) {
  if (progress_) progress_->note(text);
}

void Journal::flush() {
  if (metrics_) say(metrics_->flush());
  try {
    if (events_) events_->flush();
  } catch (const Error& error) {
    without_events(error);
  }
}

void Journal::sync() const noexcept {
  try {
    if (metrics_) metrics_->sync();
  } catch (const Error&) {
  }
}

void Journal::memory() {
  if (!progress_ || parts_.memory == nullptr || parts_.predicted_bytes == 0) return;
  const auto mib = [](int64_t bytes) { return static_cast<double>(bytes) / (1 << 20); };
  const double off = mib(parts_.memory->peak()) / mib(parts_.predicted_bytes) - 1.0;
  note(fmt::format(
      "memory of this rank, measured: {:.1f} MiB of tensors at the peak ({:+.1f} % of the prediction), {:.0f} MiB "
      "resident",
      mib(parts_.memory->peak()), 100 * off, mib(resident_bytes())));
}

}  // namespace bessemer::trainer
