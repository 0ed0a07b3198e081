#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "trainer/checkpoint_reader.h"
#include "trainer/files.h"

namespace bessemer::trainer {

/// The directory of one run: config.ini, metrics.jsonl, step-.../, stop, lock.
class RunDirectory {
 public:
  /// For rank 0: makes the directory, takes its lock for the life of this object, removes what killed saves left.
  /// Errors: Error (69) where another job holds it (named with host and process), or it cannot be written.
  static RunDirectory claim(const std::string& path);
  /// For the other ranks, and for readers: just the path.
  static RunDirectory join(const std::string& path);

  const std::string& path() const { return path_; }
  std::string file(const std::string& name) const { return path_ + "/" + name; }
  static std::string step_name(int64_t step);  ///< "step-0000000120"

  /// Error (69) unless two checkpoints of so many bytes fit.
  void check_room(int64_t checkpoint_bytes) const;
  bool holds_run() const;  ///< a config.ini, metrics or a checkpoint is there
  /// resume = none: Error (64) where holds_run().
  void refuse_if_used() const;
  void write_config(const std::string& text) const;  ///< config.ini, atomically
  std::string read_config() const;                   ///< "" if there is none

 private:
  RunDirectory(std::string path, Descriptor lock) : path_(std::move(path)), lock_(std::move(lock)) {}
  std::string path_;
  Descriptor lock_;  ///< holds the flock
};

/// The steps of all `step-...` directories, ascending, whether good or not.
std::vector<int64_t> checkpoint_steps(const std::string& run_path);

struct FoundCheckpoint {
  std::string path;  ///< "" if there is no good one
  int64_t step = -1;
  std::vector<std::string> warnings;  ///< newer ones that were skipped, each with the reason
};
/// The newest checkpoint that is complete and verifies. One process looks (rank 0) and tells the others.
FoundCheckpoint find_newest(const std::string& run_path, Verify verify);
/// PATH of the user: a checkpoint, or a run's directory (its newest good one). Error (65) if there is none.
FoundCheckpoint find_checkpoint(const std::string& path, Verify verify);

/// Keeps the newest `keep` (at least one) good checkpoints and the one with the least validation loss; removes the
/// other good ones. Those that do not verify are left alone. Returns what could not be removed.
std::vector<std::string> apply_retention(const std::string& run_path, int64_t keep);

}  // namespace bessemer::trainer
