#pragma once
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "trainer/checkpoint_reader.h"
#include "trainer/files.h"
#include "trainer/lease.h"

namespace bessemer::trainer {

/// The directory of one run: run.json, config.ini, metrics.jsonl, step-.../, stop, lease.
class RunDirectory {
 public:
  /// For rank 0: makes the directory, takes its lease for the life of this object, removes what killed saves left, and
  /// gives the run its id if it has none yet.
  /// \param force  takes it from a job that lives; see Lease.
  /// \param to_train  no: nothing will be written (removing must work on a full disk), so that is not tried.
  /// Errors: Error (69) where another job holds it (named with host, process and run), or it cannot be written.
  static RunDirectory claim(const std::string& path, bool force = false, bool to_train = true);
  /// For the other ranks, and for readers: just the path and what rank 0 says of it.
  static RunDirectory join(const std::string& path, const std::string& run_id = "");

  const std::string& path() const { return path_; }
  std::string file(const std::string& name) const { return path_ + "/" + name; }
  static std::string step_name(int64_t step);            ///< "step-0000000120"
  const std::string& run_id() const { return run_id_; }  ///< 16 digits, in every file that the run saves
  const std::string& taken_over() const {
    return taken_over_;
  }  ///< a sentence where a dead job's lease was taken, or ""
  /// Error (69) where another job has taken this run from us (--force). Rank 0; other ranks pass.
  void check_held() const;

  /// Error (69) unless two checkpoints of so many bytes fit.
  void check_room(int64_t checkpoint_bytes) const;
  bool holds_run() const;  ///< a config.ini, metrics or a checkpoint is there
  /// resume = none: Error (64) where holds_run().
  void refuse_if_used() const;
  void write_config(const std::string& text) const;  ///< config.ini, atomically
  std::string read_config() const;                   ///< "" if there is none

 private:
  RunDirectory() = default;
  std::string path_, run_id_, taken_over_;
  std::optional<Lease> lease_;
};

/// The steps of all `step-...` directories, ascending, whether good or not.
std::vector<int64_t> checkpoint_steps(const std::string& run_path);

struct FoundCheckpoint {
  std::string path;  ///< "" if there is no good one
  int64_t step = -1;
  std::vector<std::string> warnings;  ///< newer ones that were skipped, each with the reason
};
/// The newest checkpoint, of a step before `below`, that is complete and verifies. One process looks (rank 0) and tells
/// the others.
FoundCheckpoint find_newest(const std::string& run_path, Verify verify,
                            int64_t below = std::numeric_limits<int64_t>::max());
/// The step in the name of a checkpoint's directory; -1 where it has none.
int64_t step_in(const std::string& path);
/// PATH of the user: a checkpoint, or a run's directory (its newest good one before `below`). Error (65) if there is
/// none.
FoundCheckpoint find_checkpoint(const std::string& path, Verify verify,
                                int64_t below = std::numeric_limits<int64_t>::max());

/// Which checkpoints stay when a new one is there.
struct Retention {
  int64_t keep = 3;        ///< the newest; at least one
  int64_t keep_every = 0;  ///< besides, those of steps that it divides; 0: none
  int64_t saved = -1;  ///< the step that was saved just now: it stays, and later ones (of a run that went back to an
                       ///< earlier step) are neither counted nor removed; -1: none was
};
struct Removal {
  std::vector<std::string> removed, kept;  ///< names, newest first; what is not whole is in neither
  int64_t bytes = 0;                       ///< of what was removed
  std::vector<std::string> warnings;       ///< what could not be removed, or why nothing may be
};
/// Removes the whole checkpoints that `retention` does not name; the one with the least validation loss always stays.
/// Nothing is removed unless one that stays is verified: the one just saved, where its writers have read it back, or
/// one that is read here to its last byte. \param dry_run  only says what it would do.
Removal apply_retention(const std::string& run_path, const Retention& retention, bool dry_run = false);

}  // namespace bessemer::trainer
