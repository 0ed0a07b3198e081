#pragma once
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "trainer/manifest.h"

namespace bessemer::trainer {

// One save, step by step; checkpoint.cpp says which rank does what when. A process that dies anywhere in here leaves
// the older checkpoints as they were, and at most a `.tmp-step-...` that the next start removes.

/// Called with the name of the step that follows: crash tests end the process there.
using Reached = std::function<void(std::string_view)>;

struct SavePlan {
  std::string run_path;
  std::string temporary;  ///< ".tmp-step-...", complete path
  std::string save_id;
  int64_t step = 0;
  int writers = 0;
};

/// Rank 0: makes the temporary directory. Error (69) where so many bytes do not fit.
SavePlan begin_save(const std::string& run_path, int64_t step, int writers, int64_t bytes, const Reached& reached);
/// A writing rank: its shard, then its rank file. Returns the record of the rank file.
FileRecord write_rank(const SavePlan& plan, int rank, int writer, std::span<const Chunk> chunks,
                      const Reached& reached);
/// Rank 0, after all have written: checks that the ranks' files make a whole, writes the manifest, renames. Returns the
/// checkpoint's path.
std::string publish(const SavePlan& plan, const Manifest& manifest, const Reached& reached);
/// Rank 0, after a failure: removes what the save has written. Never throws.
void abandon(const SavePlan& plan) noexcept;

}  // namespace bessemer::trainer
