#include "trainer/run.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>

#include "data/loader.h"
#include "data/objective.h"
#include "trainer/event_file.h"
#include "trainer/flat_checkpoint.h"
#include "trainer/metrics.h"
#include "trainer/peak_flops.h"
#include "trainer/run_state.h"

namespace bessemer::trainer {
namespace {

using Clock = std::chrono::steady_clock;

/// Rank 0's pens: progress line, metrics.jsonl, TensorBoard. On other ranks everything is a no-op.
class Journal {
 public:
  Journal(const Trainer& trainer, const RunParts& parts, int64_t first_step) : trainer_(trainer), parts_(parts) {
    if (trainer.grid().rank != 0) return;
    progress_.emplace(parts.style, parts.out);
    metrics_.emplace(parts.directory.file("metrics.jsonl"), first_step);
    if (parts.log.tensorboard) events_.emplace(parts.directory.path(), first_step + 1);
    peak_ = peak_flops(trainer.options().train.precision, trainer.grid().device);
    if (parts.memory != nullptr) parts.memory->reset_peak();  // what was measured with is no part of a step
    flops_per_token_ =
        trainer.model().cost(trainer.plan().micro_batch, dtype_of(trainer.options().train.precision)).flops_per_token;
    note(fmt::format(
        "mfu = {:.3g} FLOP per token (forward and backward matrix products) x tokens/s / ({} ranks x {:.3g} "
        "FLOP/s: {})",
        flops_per_token_, trainer.grid().topology.ranks(), peak_.per_second, peak_.source));
  }

  void step(const StepResult& r) {
    if (!progress_) return;
    const auto& train = trainer_.options().train;
    const double seconds = r.times.total / 1e3;
    mean_seconds_ = mean_seconds_ > 0 ? 0.95 * mean_seconds_ + 0.05 * seconds : seconds;
    const double rate = static_cast<double>(r.tokens - last_tokens_) / seconds;
    last_tokens_ = r.tokens;
    const double mfu = flops_per_token_ * rate / (peak_.per_second * trainer_.grid().topology.ranks());
    StepReport report{r.step,      train.steps,
                      r.loss,      r.lr,
                      r.grad_norm, train.precision == Precision::kFp16 ? r.loss_scale : 0.0,
                      rate,        r.times.total,
                      mfu,         mean_seconds_ * static_cast<double>(train.steps - r.step),
                      r.skipped};
    progress_->step(report);
    metrics_->write(std::vector<Metric>{{"step", r.step},
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
                                        {"optimizer_ms", r.times.optimizer}});
    if (!events_) return;
    events_->scalar("train/loss", r.step, r.loss);
    events_->scalar("train/grad_norm", r.step, r.grad_norm);
    events_->scalar("train/lr", r.step, r.lr);
    events_->scalar("train/loss_scale", r.step, r.loss_scale);
    events_->scalar("perf/ms_per_step", r.step, r.times.total);
    events_->scalar("perf/tokens_per_s", r.step, rate);
    events_->scalar("perf/mfu", r.step, mfu);
  }

  void evaluation(int64_t step, double loss) {
    if (!progress_) return;
    note(fmt::format("step {}: eval loss {:.4f}, perplexity {:.2f}", step, loss, std::exp(loss)));
    metrics_->write(std::vector<Metric>{{"step", step}, {"eval_loss", loss}});
    if (events_) events_->scalar("eval/loss", step, loss);
  }

  void note(const std::string& text) {
    if (progress_) progress_->note(text);
  }
  void sync() {
    if (metrics_) metrics_->sync();
    if (events_) events_->flush();
  }
  void start_at(int64_t tokens) { last_tokens_ = tokens; }

  /// After the first step, which has touched all memory a step needs.
  void memory() {
    if (!progress_ || parts_.memory == nullptr || parts_.predicted_bytes == 0) return;
    const auto mib = [](int64_t bytes) { return static_cast<double>(bytes) / (1 << 20); };
    const double off = mib(parts_.memory->peak()) / mib(parts_.predicted_bytes) - 1.0;
    note(fmt::format(
        "memory of this rank, measured: {:.1f} MiB of tensors at the peak ({:+.1f} % of the prediction), {:.0f} MiB "
        "resident",
        mib(parts_.memory->peak()), 100 * off, mib(resident_bytes())));
  }

 private:
  const Trainer& trainer_;
  const RunParts& parts_;
  std::optional<Progress> progress_;
  std::optional<MetricsLog> metrics_;
  std::optional<EventFile> events_;
  PeakFlops peak_;
  double flops_per_token_ = 0;
  int64_t last_tokens_ = 0;
  double mean_seconds_ = 0;
};

class Runner {
 public:
  Runner(Trainer& trainer, const RunParts& parts)
      : trainer_(trainer), parts_(parts), saved_step_(resume(trainer, parts)),
        journal_(trainer, parts, trainer.counters().step) {
    end_.step = trainer.counters().step;
    end_.checkpoint = parts.resume_from;
    journal_.start_at(trainer.counters().tokens);
  }

  RunEnd go() {
    if (end_.step > 0) journal_.note(fmt::format("resumed at step {} from {}", end_.step, parts_.resume_from));
    auto loader = make_loader(*parts_.train, parts_.train, end_.step);
    const NextBatch next = [&] { return data::make_batch(loader.next(), parts_.objective, trainer_.grid().device); };
    while (!limit_reached()) {
      const auto result = trainer_.step(next, stop_asked());
      end_.step = result.step;
      journal_.step(result);
      if (!measured_) journal_.memory(), measured_ = true;
      const double eval_loss = evaluation_due() ? evaluate() : std::numeric_limits<double>::quiet_NaN();
      if (result.stop && !limit_reached()) stop();  // asked for in its last step, a run is done all the same
      const auto every = parts_.checkpoint.every;
      if (end_.code == ExitCode::kStopped || limit_reached() || (every > 0 && end_.step % every == 0)) save(eval_loss);
      if (end_.code != ExitCode::kDone) break;
    }
    if (end_.code == ExitCode::kDone) end_.reason = limit_;
    if (save_failed_) end_.code = ExitCode::kCheckpointFailed;
    return end_;
  }

 private:
  data::Loader make_loader(const data::Corpus& corpus, std::shared_ptr<const data::Corpus> shared, int64_t first_step) {
    const auto& plan = trainer_.plan();
    const data::Sampler sampler(trainer_.options().seed, corpus.windows(), trainer_.options().train.global_batch);
    const auto& dp = trainer_.grid().dp;
    return {std::move(shared), sampler, {dp.rank(), dp.size(), plan.micro_batch, plan.micro_steps()}, first_step};
  }

  /// Sets limit_ to the words of the limit that is reached.
  bool limit_reached() {
    const auto& train = trainer_.options().train;
    const auto counters = trainer_.counters();
    const auto rows = static_cast<double>(end_.step * train.global_batch);
    if (train.steps > 0 && end_.step >= train.steps) limit_ = fmt::format("all {} steps are done", train.steps);
    if (train.tokens > 0 && counters.tokens >= train.tokens)
      limit_ = fmt::format("{} tokens are done", counters.tokens);
    if (train.epochs > 0 && rows >= train.epochs * static_cast<double>(parts_.train->windows())) {
      limit_ = fmt::format("{:g} epochs are done", train.epochs);
    }
    return !limit_.empty();
  }

  bool stop_asked() {
    if (reason_.empty() && parts_.stops != nullptr) reason_ = parts_.stops->poll();
    const double limit = trainer_.options().train.wall_time;
    const double seconds = std::chrono::duration<double>(Clock::now() - begin_).count();
    if (reason_.empty() && limit > 0 && seconds >= limit) reason_ = fmt::format("train.wall_time of {:g} s", limit);
    return !reason_.empty();
  }

  void stop() {
    end_.code = ExitCode::kStopped;
    for (const auto& reason : trainer_.grid().world.all_gather(reason_)) {
      if (end_.reason.empty()) end_.reason = reason;
    }
  }

  bool evaluation_due() {
    const auto every = trainer_.options().train.eval_every;
    return parts_.validation && every > 0 && (end_.step % every == 0 || limit_reached());
  }

  double evaluate() {
    const auto& train = trainer_.options().train;
    auto loader = make_loader(*parts_.validation, parts_.validation, 0);  // the same windows each time
    const int64_t batches =
        std::min(train.eval_batches, std::max<int64_t>(1, parts_.validation->windows() / train.global_batch));
    const double loss =
        trainer_.evaluate([&] { return data::make_batch(loader.next(), parts_.objective, trainer_.grid().device); },
                          batches * trainer_.plan().micro_steps());
    journal_.evaluation(end_.step, loss);
    return loss;
  }

  void save(double eval_loss) {
    if (saved_step_ == end_.step) return;
    journal_.sync();
    const StateChunks chunks(trainer_.flat(), trainer_.grid());
    CheckpointContent content;
    content.step = end_.step, content.chunks = chunks.chunks;
    content.state = state_json(trainer_, *parts_.train);
    content.config = parts_.config, content.tokenizer = parts_.tokenizer;
    content.validation_loss = eval_loss, content.keep = parts_.checkpoint.keep;
    try {
      const auto saved = save_checkpoint(parts_.directory, content, trainer_.grid().world);
      for (const auto& warning : saved.warnings) journal_.note("warning: " + warning);
      saved_step_ = end_.step, end_.checkpoint = saved.path, save_failed_ = false;
      journal_.note(fmt::format("checkpoint {} ({:.1f} MiB in {:.2f} s)", saved.path,
                                static_cast<double>(saved.bytes) / (1 << 20), saved.seconds));
    } catch (const Error& error) {  // agreed by all ranks; the older checkpoints are as they were
      if (error.code() != ExitCode::kCheckpointFailed) throw;
      save_failed_ = true;
      journal_.note(std::string("warning: checkpoint failed, training goes on: ") + error.what());
    }
  }

  Trainer& trainer_;
  const RunParts& parts_;
  int64_t saved_step_;
  Journal journal_;
  RunEnd end_;
  std::string limit_, reason_;
  bool save_failed_ = false, measured_ = false;
  Clock::time_point begin_ = Clock::now();
};

}  // namespace

RunEnd run(Trainer& trainer, const RunParts& parts) { return Runner(trainer, parts).go(); }

}  // namespace bessemer::trainer
