#pragma once
#include <vector>

#include "models/model.h"
#include "parallel/group.h"

namespace bessemer::models {

/// How a model is run.
struct CostCase {
  at::Device device;
  at::ScalarType dtype;
  bool sequence_parallel = false;
  int64_t micro_batch = 1;
  double head_share = 1.0;  ///< of the positions, that go through the output head
};

/// FLOPs and activation bytes of a stack of attention and MLP blocks with an output head over the vocabulary.
ModelCost transformer_cost(const ModelOptions& options, const std::vector<Parameter*>& parameters,
                           const parallel::Group& tp, const CostCase& run);

}  // namespace bessemer::models
