#include "trainer/checkpoint.h"

#include <atomic>
#include <system_error>
#include <thread>

#include "parallel/error.h"

namespace bessemer::trainer {

/// Work on a thread of its own, and how it ended.
class CheckpointSaver::Task {
 public:
  explicit Task(std::function<void()> work) {
    try {
      thread_ = std::thread([this, work = std::move(work)] { run(work); });
    } catch (const std::system_error& error) {
      problem_ = concat("no thread can be started: ", error.what(), "; look at ulimit -u");
      done_ = true;
    }
  }
  ~Task() { wait(); }
  bool done() const { return done_; }
  void wait() {
    if (thread_.joinable()) thread_.join();
  }
  const std::string& problem() const { return problem_; }  ///< after done()

 private:
  void run(const std::function<void()>& work) {
    try {
      work();
    } catch (const std::exception& error) {
      problem_ = error.what();
    }
    done_ = true;
  }
  std::string problem_;
  std::atomic<bool> done_{false};
  std::thread thread_;
};

CheckpointSaver::CheckpointSaver(const RunDirectory& run, SaverOptions options, bool writes, parallel::Group world)
    : run_(run), options_(std::move(options)), world_(std::move(world)), writes_(writes) {
  if (!options_.reached) options_.reached = [](std::string_view) {};
  session_ = world_.broadcast(world_.rank() == 0 ? random_hex() : "", 0);
  plan_.run_path = run.path();
  plan_.run_id = world_.broadcast(run.run_id(), 0);
  const auto all = world_.all_gather(std::string(writes ? "w" : ""));
  for (int rank = 0; rank < world_.size(); ++rank) {
    if (!all[static_cast<std::size_t>(rank)].empty()) plan_.writers.push_back(rank);
  }
}

CheckpointSaver::~CheckpointSaver() { task_.reset(); }  // before what it writes to

void CheckpointSaver::start(CheckpointContent content) {
  begin_ = Clock::now();
  content_ = std::move(content);
  plan_.save_id = concat(session_, "-", ++saves_);  // every rank counts alike: no word is needed
  plan_.step = content_.step;
  warnings_.clear(), writing_ = 0;
  phase_ = Phase::kWriting;
  task_ = std::make_unique<Task>([this] { write(); });
}

void CheckpointSaver::write() {
  const auto begin = Clock::now();
  if (writes_) write_rank(plan_, world_.rank(), content_.chunks, options_.read_back, options_.reached);
  writing_ = std::chrono::duration<double>(Clock::now() - begin).count();
}

void CheckpointSaver::publish_and_retain() {
  if (options_.before_publish) options_.before_publish();
  Manifest manifest;
  manifest.state = content_.state, manifest.environment = content_.environment;
  manifest.config = content_.config, manifest.tokenizer = content_.tokenizer;
  manifest.validation_loss = content_.validation_loss, manifest.read_back = options_.read_back;
  publish(plan_, std::move(manifest), options_.reached);
  options_.reached("retention");
  try {
    Retention retention = options_.retention;
    retention.saved = content_.step;
    warnings_ = apply_retention(run_.path(), retention).warnings;
  } catch (const Error& error) {  // the checkpoint is there all the same
    warnings_.push_back(concat("old checkpoints stay: ", error.what()));
  }
}

CheckpointSaver::Votes CheckpointSaver::votes() const {
  if (!task_ || !task_->done()) return {};
  return {1, task_->problem().empty() ? 0 : 1};
}

std::optional<SaveEnd> CheckpointSaver::settle(const Votes& sum) {
  if (phase_ == Phase::kIdle) return {};
  const int64_t wanted = phase_ == Phase::kWriting ? world_.size() : 1;
  if (sum.finished < wanted) return {};
  std::string problem = task_ ? task_->problem() : "";
  task_.reset();
  if (sum.failed > 0) {
    std::string first;
    int64_t rank = 0;
    for (const std::string& text : world_.all_gather(problem)) {
      if (!text.empty() && first.empty()) first = concat("rank ", rank, ": ", text);
      ++rank;
    }
    const std::string others = sum.failed > 1 ? concat(" (and ", sum.failed - 1, " other ranks)") : "";
    if (world_.rank() == 0) abandon(plan_);
    return end(first + others);
  }
  if (phase_ == Phase::kPublishing) return end("");
  phase_ = Phase::kPublishing;
  if (world_.rank() == 0) task_ = std::make_unique<Task>([this] { publish_and_retain(); });
  return {};
}

SaveEnd CheckpointSaver::end(std::string problem) {
  SaveEnd end;
  end.step = plan_.step;
  if (problem.empty()) end.path = run_.path() + "/" + RunDirectory::step_name(plan_.step);
  end.problem = std::move(problem);
  end.seconds = std::chrono::duration<double>(Clock::now() - begin_).count();
  end.writing = writing_;
  for (const Chunk& chunk : content_.chunks) end.bytes += chunk.count * static_cast<int64_t>(sizeof(float));
  end.warnings = std::move(warnings_);
  phase_ = Phase::kIdle;
  return end;
}

SaveEnd CheckpointSaver::finish() {
  for (;;) {
    if (task_) task_->wait();
    const Votes mine = votes();
    const Votes sum{world_.all_reduce(mine.finished, parallel::ReduceOp::kSum),
                    world_.all_reduce(mine.failed, parallel::ReduceOp::kSum)};
    if (const auto ended = settle(sum)) return *ended;
  }
}

}  // namespace bessemer::trainer
