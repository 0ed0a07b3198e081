#pragma once
#include <ATen/core/Tensor.h>

#include "parallel/group.h"
#include "parallel/topology.h"

namespace bessemer::parallel {

/// All that a part of the program needs to know of "many": our place, and the groups we work in.
struct Grid {
  Topology topology;
  int rank = 0;
  Group world;  ///< all ranks, host tensors: control data, never gradients
  Group tp;     ///< tensors on `device`
  Group dp;     ///< tensors on `device`
  at::Device device = at::kCPU;
};

}  // namespace bessemer::parallel
