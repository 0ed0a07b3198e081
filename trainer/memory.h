#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "models/model.h"
#include "parallel/topology.h"
#include "trainer/trainer.h"

namespace bessemer::trainer {

/// Predicted bytes of one rank, by what they are for (DESIGN, contract "Memory account").
struct MemoryAccount {
  struct Line {
    std::string name;
    int64_t bytes = 0;
  };
  std::vector<Line> lines;
  int64_t parameters = 0;  ///< of this rank, without padding
  int64_t host_bytes = 0;  ///< beside a GPU's memory: the copy that checkpoints are written from
  int64_t total() const;
  std::string text() const;  ///< a line each, and the sum
};

/// Where the copy lies that checkpoints are written from: nowhere, in the memory that is accounted for, or (for a GPU)
/// on the host.
enum class Copy { kNone, kHere, kOnHost };
Copy copy_of(const CheckpointOptions& checkpoint, bool gpu);

/// The account of a rank of `topology`; the model needs no memory yet. `train` and `plan` print the same.
MemoryAccount account_memory(models::Model& model, const TrainerOptions& options, const parallel::Topology& topology,
                             Copy copy);

}  // namespace bessemer::trainer
