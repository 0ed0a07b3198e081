#pragma once
#include <ATen/core/Tensor.h>

#include <vector>

#include "trainer/checkpoint.h"
#include "trainer/flat_state.h"

namespace bessemer::trainer {

/// What this rank writes of its flat state: canonical tensors "params/...", "momentum/...", "variance/...", cut by tp
/// along a dimension and by dp along flat ranges, so that each element has one writer.
///
/// Its own copy of them, so that training goes on while it is written: buffers as large as the rank's part, touched (on
/// a GPU machine pinned) once, here. Copying into fresh memory would take thirty times as long (page faults).
class Snapshot {
 public:
  /// \param own_copy  no: chunks point at the state itself, which must then rest; for host state only.
  Snapshot(const FlatState& state, const parallel::Grid& grid, bool own_copy);
  /// Copies the state as it is now: all that a step waits for. Does nothing without an own copy.
  void take();
  const std::vector<Chunk>& chunks() const { return chunks_; }
  /// Bytes of the buffers of one rank.
  static int64_t bytes(const FlatLayout& layout, int dp) { return 12 * (layout.size() / dp); }

 private:
  const FlatState& state_;
  std::vector<at::Tensor> copies_;  ///< one per kind, fp32, our parts of the buckets one after the other; or none
  std::vector<Chunk> chunks_;
};

/// Fills weights, momentum and variance from a checkpoint of any layout. Not collective; publish_weights() must follow.
/// Errors: Error (65) where a tensor is missing or has another shape.
void restore_state(FlatState& state, const CheckpointReader& reader);

/// How a model's tensors and a source's weights meet by name.
struct WeightMatch {
  std::vector<std::string> loaded;  ///< in both
  std::vector<std::string> fresh;   ///< of the model only: they keep their initial values
  std::vector<std::string> left;    ///< of the source only
};
/// A new run's start: weights only, no momentum, no counters. Not collective; publish_weights() must follow.
/// Errors: Error (65) where a tensor of both has another shape.
WeightMatch load_initial_weights(FlatState& state, const WeightSource& source);

/// Fills the weights of a model that has memory but no training state (evaluation, generation).
/// Errors: Error (65) where a tensor is missing or has another shape.
void restore_weights(models::Model& model, const WeightSource& source);

/// Bytes that one checkpoint of the whole model takes: three fp32 numbers per parameter.
int64_t checkpoint_bytes(int64_t parameters);

}  // namespace bessemer::trainer
