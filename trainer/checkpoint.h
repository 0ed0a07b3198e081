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

namespace bessemer::parallel {
class Group;
}

namespace bessemer::trainer {

/// A part of one global tensor that this rank writes: elements [first, first + count) of our slice, row-major.
///
/// The slice is [begin, end) along `dim`. Each element of each global tensor is written by exactly one rank (checked
/// before the checkpoint is published); all ranks cut a tensor along the same `dim`. A tensor written whole has
/// dim 0, [0, shape[0]).
struct Chunk {
  std::string dataset;         ///< "params/h.0.attention.q.weight", "momentum/...", "variance/..."
  std::vector<int64_t> shape;  ///< of the global tensor
  int64_t dim = 0;
  int64_t begin = 0;
  int64_t end = 0;
  int64_t first = 0;
  int64_t count = 0;
  const float* data = nullptr;  ///< host, `count` elements, untouched until save_checkpoint returns
};

/// What a checkpoint holds. `chunks` differ per rank; the rest is taken from rank 0.
struct CheckpointContent {
  int64_t step = 0;           ///< steps finished
  std::vector<Chunk> chunks;  ///< none: this rank writes no file
  nlohmann::json state;       ///< counters, loss scale, loader position, keys: exact for int64 and double
  std::string config;         ///< complete INI text
  std::string tokenizer;      ///< JSON text, "" for none
  double validation_loss = std::numeric_limits<double>::quiet_NaN();  ///< newest known at this step; nan: none
  int64_t keep = 3;  ///< newest kept; the one with the least validation loss besides
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
