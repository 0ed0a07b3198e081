#pragma once
#include <cstdint>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "trainer/checkpoint_reader.h"
#include "trainer/run_directory.h"
#include "trainer/shard_file.h"

namespace bessemer::parallel {
class Group;
}

namespace bessemer::trainer {

/// What a checkpoint holds. `chunks` differ per rank; the rest is taken from rank 0.
struct CheckpointContent {
  int64_t step = 0;           ///< steps finished
  std::vector<Chunk> chunks;  ///< none: this rank writes no file
  nlohmann::json state;       ///< counters, loss scale, loader position, keys: exact for int64 and double
  std::string config;         ///< complete INI text
  std::string tokenizer;      ///< JSON text, "" for none
  double validation_loss = std::numeric_limits<double>::quiet_NaN();  ///< newest known at this step; nan: none
  int64_t keep = 3;                               ///< newest kept; the one with the least validation loss besides
  std::function<void(std::string_view)> reached;  ///< called by name before each step of the protocol (crash tests)
};

struct SavedCheckpoint {
  std::string path;
  int64_t bytes = 0;
  double seconds = 0;
  std::vector<std::string> warnings;  ///< rank 0: an old checkpoint that could not be removed, and the like
};

/// Writes `step-%010d/` into the run's directory and publishes it by one rename.
///
/// Collective over `world` (host tensors). A failure on any rank is agreed by all: every rank throws the same Error
/// (76), the temporary directory is removed and the older checkpoints are as they were; the run may go on.
SavedCheckpoint save_checkpoint(const RunDirectory& run, const CheckpointContent& content,
                                const parallel::Group& world);

}  // namespace bessemer::trainer
