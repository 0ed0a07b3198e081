#pragma once
#include <ATen/core/Tensor.h>

#include "data/batch.h"
#include "data/loader.h"
#include "data/masking.h"
#include "data/options.h"

namespace bessemer::data {

/// What rows are made into.
struct Objective {
  ObjectiveKind kind = ObjectiveKind::kCausal;
  Masking masking;    ///< kMasked
  uint64_t seed = 0;  ///< of the run: with the global row number it decides what is masked, and how long prefixes are
};
/// Of [data] and the data's tokenizer. Errors: Error (65) where it has no mask token and needs one.
Objective make_objective(const DataOptions& options, const Tokenizer& tokenizer, uint64_t seed);

/// Hides what is to be predicted (mask_rows) or shows what need not be (add_prefixes).
void apply(const Objective& objective, Rows& rows);

/// Turns rows of tokens into the named tensors of the objective, on `device`. Causal: tokens = row[0 .. s),
/// targets = row[1 .. s]. Masked: targets = row[0 .. s), tokens = those masked.
/// \param sequence  a divisor of rows.sequence: each row becomes several of so many positions; 0: one
Batch make_batch(const Rows& rows, const Objective& objective, at::Device device, int64_t sequence = 0);

}  // namespace bessemer::data
