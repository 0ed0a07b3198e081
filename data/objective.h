#pragma once
#include <ATen/core/Tensor.h>

#include "data/batch.h"
#include "data/loader.h"
#include "data/options.h"

namespace bessemer::data {

/// Turns rows of tokens into the named tensors of the objective, on `device`. Causal: tokens = row[0 .. s),
/// targets = row[1 .. s].
Batch make_batch(const Rows& rows, ObjectiveKind objective, at::Device device);

}  // namespace bessemer::data
