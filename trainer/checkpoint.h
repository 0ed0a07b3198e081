#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "parallel/group.h"
#include "trainer/publish.h"
#include "trainer/run_directory.h"

namespace bessemer::trainer {

/// What a checkpoint holds. `chunks` differ per rank; the rest is taken from rank 0.
struct CheckpointContent {
  int64_t step = 0;               ///< steps finished
  std::span<const Chunk> chunks;  ///< of a writing rank; their memory is not touched until the save has ended
  nlohmann::json state;           ///< counters, loss scale, loader position, keys: exact for int64 and double
  nlohmann::json environment;     ///< what it is saved by and on
  std::string config;             ///< complete INI text
  std::string tokenizer;          ///< JSON text, "" for none
  double validation_loss = std::numeric_limits<double>::quiet_NaN();  ///< newest known at this step; nan: none
};

struct SaverOptions {
  Retention retention;
  bool read_back = true;                 ///< see write_rank
  std::function<void()> before_publish;  ///< rank 0's background thread: the last look before anything is published
  Reached reached;                       ///< called before each step of the protocol (crash tests)
};

/// How a save ended, the same on every rank but for what is rank 0's.
struct SaveEnd {
  int64_t step = 0;
  std::string path;                   ///< of the checkpoint; "" where it failed
  std::string problem;                ///< why it failed
  double seconds = 0;                 ///< from start() to here
  double writing = 0;                 ///< of them, our own shard's until it was on disk
  int64_t bytes = 0;                  ///< of our own shard
  std::vector<std::string> warnings;  ///< rank 0: an old checkpoint that could not be removed, and the like
};

/// Saves checkpoints while training goes on.
///
/// A save has two phases. Each writing rank's thread writes its shard and rank file; when all have, rank 0's thread
/// writes the manifest, renames, and removes what retention lets go. Neither thread talks to other ranks: how far they
/// are travels as `votes()` in the collective that each step makes anyway, and every rank hands the sums to `settle`.
/// So all ranks know of a phase's end at the same step, and a failure anywhere is everybody's; what the save has
/// written is then removed, the older checkpoints are as they were, and the run may go on.
class CheckpointSaver {
 public:
  /// Collective over `world`. \param writes  this rank has chunks to write.
  CheckpointSaver(const RunDirectory& run, SaverOptions options, bool writes, parallel::Group world);
  ~CheckpointSaver();  ///< waits for the thread
  CheckpointSaver(const CheckpointSaver&) = delete;
  CheckpointSaver& operator=(const CheckpointSaver&) = delete;

  bool busy() const { return phase_ != Phase::kIdle; }  ///< the same on every rank
  int64_t step() const { return content_.step; }        ///< of the save under way
  /// On every rank, not while busy(). Returns at once.
  void start(CheckpointContent content);

  struct Votes {
    int64_t finished = 0;  ///< 1: our thread has ended its part of the phase
    int64_t failed = 0;    ///< 1: in an error
  };
  Votes votes() const;
  /// Collective where the save has failed. \param sum  of all ranks' votes, taken after start().
  /// \return once, how it ended.
  std::optional<SaveEnd> settle(const Votes& sum);
  /// Collective: waits for the end of the save under way.
  SaveEnd finish();

 private:
  enum class Phase { kIdle, kWriting, kPublishing };
  class Task;
  using Clock = std::chrono::steady_clock;
  void write();
  void publish_and_retain();
  SaveEnd end(std::string problem);

  const RunDirectory& run_;
  SaverOptions options_;
  parallel::Group world_;
  SavePlan plan_;
  std::string session_;  ///< begins every save_id of this process
  bool writes_;
  int64_t saves_ = 0;
  Phase phase_ = Phase::kIdle;
  CheckpointContent content_;
  Clock::time_point begin_;
  std::unique_ptr<Task> task_;
  double writing_ = 0;                 // written by the thread, read after it has ended
  std::vector<std::string> warnings_;  // likewise
};

}  // namespace bessemer::trainer
