#pragma once
#include "parallel/grid.h"
#include "trainer/flat_kernels.h"
#include "trainer/flat_state.h"

namespace bessemer::trainer {

// One update of all that this rank updates, from state.grads, which become zero there. `step.weight_decay` is that of
// matrices; vectors (biases, norms) have none.

/// AdamW (Loshchilov and Hutter 2019).
void update_adamw(const FlatState& state, AdamStep step);

/// LAMB (You et al. 2020, arXiv 1904.00962 v5, algorithm 2, phi the identity): each matrix moves by lr x its trust
/// ratio, |w| / |direction|, or 1 where one of them is 0; vectors by lr, as in BERT's reference (NVIDIA Apex,
/// FusedLAMB). A matrix is a canonical tensor (q, k and v apart), whole over tp and ZeRO-1's parts: the squares of its
/// norms are exact sums of blocks, so that dp changes no bit. Collective over `grid.world`.
void update_lamb(const FlatState& state, AdamStep step, const parallel::Grid& grid);

}  // namespace bessemer::trainer
