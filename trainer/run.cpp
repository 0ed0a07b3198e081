#include "trainer/run.h"

#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <limits>
#include <optional>

#include "data/loader.h"
#include "data/objective.h"
#include "trainer/checkpoint.h"
#include "trainer/flat_checkpoint.h"
#include "trainer/journal.h"
#include "trainer/run_state.h"

namespace bessemer::trainer {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

/// Acts at the end of its scope.
struct Finally {
  explicit Finally(std::function<void()> act_) : act(std::move(act_)) {}
  ~Finally() { act(); }
  Finally(const Finally&) = delete;
  Finally& operator=(const Finally&) = delete;
  std::function<void()> act;
};

class Runner {
 public:
  Runner(Trainer& trainer, const RunParts& parts)
      : trainer_(trainer), parts_(parts), resumed_(resume(trainer, parts)), saved_step_(resumed_.step),
        journal_(trainer, parts),
        snapshot_(trainer.flat(), trainer.grid(), parts.checkpoint.asynchronous || !trainer.grid().device.is_cpu()),
        saver_(parts.directory, saver_options(), !snapshot_.chunks().empty(), trainer.grid().world) {
    end_.step = trainer.counters().step;
    end_.checkpoint = parts.resume_from;
  }

  RunEnd go() {
    if (end_.step > 0) journal_.note(fmt::format("resumed at step {} from {}", end_.step, parts_.resume_from));
    for (const auto& note : resumed_.stream.notes) journal_.note(note);
    auto loader = make_loader(parts_.data.corpora(), resumed_.stream.rows, batch_, end_.step);
    *parts_.data.stop_fetching = false;
    const Finally no_more_rows([this] { *parts_.data.stop_fetching = true; });  // the loader's end waits for no fetch
    const NextBatch next = [&] {
      return data::make_batch(rows_of(loader), parts_.objective, trainer_.grid().device, sequence_.at(end_.step));
    };
    try {
      if (owes_evaluation()) evaluate();
      while (end_.code == ExitCode::kDone && !limit_reached()) step(next);
    } catch (const Error& error) {  // what all ranks throw alike must not cost the checkpoint that is being written
      if (error.code() == ExitCode::kLossPolicy || alone()) rescue();
      if (error.code() != ExitCode::kStopped) throw;
      end_.code = error.code(), end_.reason = reason_;  // the step that waited for its rows has changed nothing
    } catch (...) {                                     // out of memory, LibTorch's own
      if (alone()) rescue();
      throw;
    }
    save_last();
    if (end_.code == ExitCode::kDone) end_.reason = limit_;
    if (save_failed_) end_.code = ExitCode::kCheckpointFailed;
    return end_;
  }

 private:
  void step(const NextBatch& next) {
    parts_.directory.check_held();
    const auto result = trainer_.step(next, votes());
    resumed_.stream.rows.skip(batch_.at(end_.step));
    end_.step = result.step;
    journal_.step(result);
    if (!measured_) journal_.memory(), measured_ = true;
    if (const auto ended = saver_.settle({result.votes.finished, result.votes.failed})) report(*ended);
    if (evaluation_due()) evaluate();
    if (result.votes.stop > 0 && !limit_reached())
      return stop();  // asked for in its last step, a run is done all the same
    const auto every = parts_.checkpoint.every;
    if (!limit_reached() && (result.votes.save > 0 || (every > 0 && end_.step % every == 0))) save();
  }

  bool alone() const { return trainer_.grid().world.size() == 1; }

  /// Several ranks stop together, after a step; one alone need not wait for data that do not come.
  data::Rows rows_of(data::Loader& loader) {
    if (!alone()) return loader.next();
    return loader.next([&] { return !(*parts_.data.stop_fetching = stop_asked()); });
  }

  Votes votes() {
    Votes votes;
    votes.stop = stop_asked();
    // One clock decides.
    const double interval = parts_.checkpoint.interval;
    votes.save = trainer_.grid().rank == 0 && interval > 0 && !saver_.busy() && seconds_since(last_save_) >= interval;
    const auto saver = saver_.votes();
    votes.finished = saver.finished, votes.failed = saver.failed;
    return votes;
  }

  data::Loader make_loader(std::vector<std::shared_ptr<const data::Corpus>> corpora, data::Sampler stream,
                           data::Ramp batch, int64_t first_step, int64_t reads = std::numeric_limits<int64_t>::max()) {
    const auto& plan = trainer_.plan();
    const auto& dp = trainer_.grid().dp;
    return {std::move(corpora),
            std::move(stream),
            {dp.rank(), dp.size(), plan.micro_batch, std::move(batch), parts_.ahead * plan.micro_steps(), reads},
            first_step};
  }

  /// Sets limit_ to the words of the limit that is reached.
  bool limit_reached() {
    const auto& train = trainer_.options().train;
    const auto counters = trainer_.counters();
    const auto rows = static_cast<double>(resumed_.stream.rows.row());
    if (train.steps > 0 && end_.step >= train.steps) limit_ = fmt::format("all {} steps are done", train.steps);
    if (train.tokens > 0 && counters.tokens >= train.tokens)
      limit_ = fmt::format("{} tokens are done", counters.tokens);
    if (train.epochs > 0 && rows >= train.epochs * static_cast<double>(parts_.data.rows())) {
      limit_ = fmt::format("{:g} epochs are done", train.epochs);
    }
    return !limit_.empty();
  }

  bool stop_asked() {
    if (reason_.empty() && parts_.stops != nullptr) reason_ = parts_.stops->poll();
    const double limit = trainer_.options().train.wall_time;
    if (reason_.empty() && limit > 0 && seconds_since(begin_) >= limit)
      reason_ = fmt::format("train.wall_time of {:g} s", limit);
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
    return !parts_.data.validation.empty() && every > 0 && (end_.step % every == 0 || limit_reached());
  }

  /// The run was stopped, or ended, between the step that it goes on from and its evaluation.
  bool owes_evaluation() {
    const int64_t told = trainer_.grid().world.all_reduce(int64_t{journal_.evaluated()}, parallel::ReduceOp::kMax);
    return end_.step > 0 && evaluation_due() && told == 0;
  }

  /// The mean over each validation set; over all of them for the checkpoint. Told when it is complete.
  void evaluate() {
    const auto& train = trainer_.options().train;
    std::vector<Evaluation> results;
    for (const auto& set : parts_.data.validation) {
      const int64_t windows = set.corpus->rows();
      const int64_t batches = std::min(train.eval_batches, std::max<int64_t>(1, windows / train.global_batch)) *
                              trainer_.plan().micro_steps();
      auto loader =
          make_loader({set.corpus}, {trainer_.options().seed, {{windows}}}, {{}, train.global_batch}, 0, batches);
      results.push_back(
          trainer_.evaluate([&] { return data::make_batch(rows_of(loader), parts_.objective, trainer_.grid().device); },
                            batches));  // the same windows each time
    }
    double sum = 0;
    for (std::size_t i = 0; i < results.size(); ++i) {
      journal_.evaluation(end_.step, parts_.data.validation[i].name, results[i]);
      sum += results[i].loss;
    }
    eval_loss_ = sum / static_cast<double>(parts_.data.validation.size());
    eval_step_ = end_.step;
  }

  SaverOptions saver_options() {
    SaverOptions options;
    options.retention = {parts_.checkpoint.keep, parts_.checkpoint.keep_every};
    options.read_back = parts_.checkpoint.read_back;
    options.before_publish = [this] {
      parts_.directory.check_held();
      journal_.sync();
    };
    return options;
  }

  /// A checkpoint of this step; skipped where the one before is still being written.
  void save() {
    if (saved_step_ == end_.step) return;
    if (saver_.busy()) {
      ++end_.skipped;
      return journal_.note(fmt::format(
          "warning: no checkpoint of step {}: that of step {} is still being written ({} skipped so far); choose a "
          "larger checkpoint.every or checkpoint.interval, or a faster disk",
          end_.step, saver_.step(), end_.skipped));
    }
    last_save_ = Clock::now();
    journal_.flush();
    snapshot_.take();
    CheckpointContent content;
    content.step = end_.step, content.chunks = snapshot_.chunks();
    content.state = state_json(trainer_, parts_.data, resumed_.stream), content.environment = parts_.environment;
    if (!parts_.beside.empty()) content.state["beside"] = parts_.beside;
    content.config = parts_.config, content.tokenizer = parts_.tokenizer;
    if (eval_step_ == end_.step) content.validation_loss = eval_loss_;
    saver_.start(std::move(content));
    stall_ = seconds_since(last_save_);
    if (!parts_.checkpoint.asynchronous) settle_all();
  }

  /// Ends the save under way on the way out; the first error is the one that counts.
  void rescue() noexcept {
    try {
      settle_all();
    } catch (const std::exception&) {
    }
  }

  /// Waits for the save under way, if any.
  void settle_all() {
    if (!saver_.busy()) return;
    const auto begin = Clock::now();
    const auto ended = saver_.finish();
    stall_ += seconds_since(begin);
    report(ended);
  }

  void save_last() {
    settle_all();
    save();
    settle_all();
  }

  void report(const SaveEnd& ended) {
    for (const auto& warning : ended.warnings) journal_.note("warning: " + warning);
    end_.waited += stall_;
    save_failed_ = ended.path.empty();
    if (save_failed_) {
      ++end_.failed;
      return journal_.note(fmt::format("warning: the checkpoint of step {} was not saved, training goes on: {}",
                                       ended.step, ended.problem));
    }
    ++end_.saved;
    saved_step_ = ended.step, end_.checkpoint = ended.path;
    const double mib = static_cast<double>(ended.bytes) / (1 << 20);
    journal_.note(fmt::format(
        "checkpoint {} ({:.1f} MiB of each rank at {:.0f} MiB/s; done after {:.2f} s, of which training waited {:.3f} s)",
        ended.path, mib, mib / std::max(1e-9, ended.writing), ended.seconds, stall_));
  }

  Trainer& trainer_;
  const RunParts& parts_;
  Resumed resumed_;  ///< its stream goes on with the steps
  int64_t saved_step_;
  Journal journal_;
  Snapshot snapshot_;
  CheckpointSaver saver_;
  RunEnd end_;
  data::Ramp batch_ = batch_of(trainer_.options().train);
  data::Ramp sequence_{trainer_.options().train.sequence_ramp, 0};  ///< 0: whole rows
  std::string limit_, reason_;
  double eval_loss_ = 0, stall_ = 0;
  int64_t eval_step_ = -1;
  bool save_failed_ = false, measured_ = false;
  Clock::time_point begin_ = Clock::now(), last_save_ = begin_;
};

}  // namespace

RunEnd run(Trainer& trainer, const RunParts& parts) { return Runner(trainer, parts).go(); }

}  // namespace bessemer::trainer
