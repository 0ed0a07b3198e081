#pragma once
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "trainer/manifest.h"

namespace bessemer::trainer {

// One save, step by step; checkpoint.cpp says which rank does what when. A process that dies anywhere in here leaves
// the older checkpoints as they were, and at most a `.tmp-step-...` that the next start removes.

/// Called with the name of the step that follows: crash tests end the process there.
using Reached = std::function<void(std::string_view)>;

/// The same on every rank.
struct SavePlan {
  std::string run_path;
  std::string run_id;
  std::string save_id;
  int64_t step = 0;
  std::vector<int> writers;       ///< ranks that write a shard, ascending
  std::string temporary() const;  ///< path of ".tmp-step-..."
};

/// A writing rank: its shard, then its rank file, into the temporary directory (made here, by whoever comes first).
/// \param read_back  reads the shard back from disk and compares: a disk that does not keep what it is given is an
///                   Error now, while the numbers are still in memory.
/// Errors: Error (69).
void write_rank(const SavePlan& plan, int rank, std::span<const Chunk> chunks, bool read_back, const Reached& reached);

/// Rank 0, after all have written: checks that the ranks' files make a whole, writes the manifest, renames. Fills in
/// the manifest's rank_files. Returns the checkpoint's path.
std::string publish(const SavePlan& plan, Manifest manifest, const Reached& reached);
/// Rank 0, after a failure: removes what the save has written. Never throws.
void abandon(const SavePlan& plan) noexcept;

}  // namespace bessemer::trainer
