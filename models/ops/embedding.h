#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>

namespace bessemer::models::ops {

/// Rows of `weight` for ids in [vocab_begin, vocab_begin + rows), zeros for other ids (another rank's slice).
///
/// Backward sums the rows in fp32 in a fixed order, and adds them into `weight.grad()` where that is defined (as
/// linear). \param ids     int64, any shape \param weight  [rows, h] \return        [ids..., h]
at::Tensor embedding(const at::Tensor& ids, const at::Tensor& weight, int64_t vocab_begin = 0);

/// x + weight[first_position + i] for row i of x: learned positions.
/// \param x       [s, b, h]
/// \param weight  [positions, h]; its gradient sums over b in fp32, as above
at::Tensor add_positions(const at::Tensor& x, const at::Tensor& weight, int64_t first_position = 0);

}  // namespace bessemer::models::ops
