#pragma once
#include <ATen/core/Tensor.h>

#include <vector>

#include "trainer/checkpoint.h"
#include "trainer/flat_state.h"

namespace bessemer::trainer {

/// What this rank writes of its flat state: canonical tensors "params/...", "momentum/...", "variance/...", cut by tp
/// along a dimension and by dp along flat ranges, so that each element has one writer.
class StateChunks {
 public:
  StateChunks(const FlatState& state, const parallel::Grid& grid);
  std::vector<Chunk> chunks;

 private:
  std::vector<at::Tensor> host_;  ///< owns what the chunks point to where the state is on a GPU
};

/// Fills weights, momentum and variance from a checkpoint of any layout. Not collective; publish_weights() must follow.
/// Errors: Error (65) where a tensor is missing or has another shape.
void restore_state(FlatState& state, const CheckpointReader& reader);

/// Fills the weights of a model that has memory but no training state (evaluation, generation).
void restore_weights(models::Model& model, const CheckpointReader& reader);

/// Bytes that one checkpoint of the whole model takes: three fp32 numbers per parameter.
int64_t checkpoint_bytes(int64_t parameters);

}  // namespace bessemer::trainer
