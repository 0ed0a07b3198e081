#pragma once
#include <c10/core/ScalarType.h>

#include <cstdint>
#include <span>

#include "parallel/group.h"

namespace bessemer::parallel {

/// out[i] = parts[0][i] + parts[1][i] + ... for i < n, in the one order that all of Bessemer adds ranks in: a binary
/// tree that splits at the largest power of two below the number of parts: ((0+1)+(2+3))+4. 16-bit data is added in
/// fp32 and rounded once. Backends and virtual_dp's local sums use this function, so their bits agree (decision 3).
///
/// \param parts  one pointer per rank, in rank order, to n elements each; at least one.
/// \param out    n elements; may be one of the parts, else it does not overlap them.
/// \param dtype  fp32, fp64, bf16, fp16, int64 or int32; Error (70) otherwise.
/// \param op     kMax and kMin likewise; a nan wins over any number.
void tree_reduce(std::span<const void* const> parts, void* out, int64_t n, at::ScalarType dtype,
                 ReduceOp op = ReduceOp::kSum);

/// The place where the tree over `n` >= 2 ranks splits: the largest power of two below n.
int tree_split(int n);

}  // namespace bessemer::parallel
