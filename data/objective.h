#pragma once
#include <ATen/core/Tensor.h>

#include "data/batch.h"
#include "data/loader.h"
#include "data/options.h"

namespace bessemer::data {

/// Turns rows of tokens into the named tensors of the objective, on `device`. Causal: tokens = row[0 .. s),
/// targets = row[1 .. s].
/// \param sequence  a divisor of rows.sequence: each row becomes several of so many positions; 0: one
Batch make_batch(const Rows& rows, ObjectiveKind objective, at::Device device, int64_t sequence = 0);

}  // namespace bessemer::data
