#pragma once
#include <c10/core/ScalarType.h>

#include <cstdint>

namespace bessemer::models::ops {

// Kernels compute on fp32; rows of 16-bit data pass through a small buffer that stays in the first-level cache.

/// `n` elements from `data` + `offset` as fp32: `data` itself where it is fp32, else converted into `buffer`.
const float* to_float(const void* data, at::ScalarType type, int64_t offset, int64_t n, float* buffer);
/// Rounds to nearest even; nothing where `type` is fp32 and `values` is already there.
void from_float(const float* values, int64_t n, void* data, at::ScalarType type, int64_t offset);
/// Where to write `n` fp32 results: into `data` itself where it is fp32, else into `buffer` (then from_float).
float* room(void* data, at::ScalarType type, int64_t offset, float* buffer);

}  // namespace bessemer::models::ops
