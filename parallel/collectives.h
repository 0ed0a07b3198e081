#pragma once
#include <ATen/core/Tensor.h>

#include "parallel/group.h"

namespace bessemer::parallel {

// Collectives with gradients: the conjugate pairs of tensor parallelism. Each is an autograd function; with a group of
// size one it returns its argument. Source: Megatron-LM, megatron/core/tensor_parallel/mappings.py. Dimension 0 is the
// sequence where a shape is [s, b, h]. None works in place on an incoming gradient.

at::Tensor copy_to(const at::Tensor& x, const Group& tp);      ///< forward: x; backward: all-reduce
at::Tensor reduce_from(const at::Tensor& x, const Group& tp);  ///< forward: all-reduce; backward: gradient as it is
/// Sequence parallelism: [s / tp, ...] to [s, ...]; backward: reduce-scatter.
at::Tensor gather_sequence(const at::Tensor& x, const Group& tp);
/// Likewise, for what every rank then does alike: the gradient is the same on each, and each takes its own rows of it.
at::Tensor gather_alike(const at::Tensor& x, const Group& tp);
/// [s, ...] partial sums to [s / tp, ...]; backward: all-gather.
at::Tensor reduce_scatter_sequence(const at::Tensor& x, const Group& tp);
/// [s, ...] the same on every rank to our [s / tp, ...]; backward: all-gather.
at::Tensor split_sequence(const at::Tensor& x, const Group& tp);

}  // namespace bessemer::parallel
