#pragma once
#include <cstdint>

namespace bessemer::models::ops {

/// Element (i, k) is data[i * row + k * column].
struct Strided {
  const float* data;
  int64_t row, column;
};

/// c[m, n] (+)= a[m, k] b[k, n] in fp32 for the small blocks of attention, without packing. b and c are row-major:
/// their `column` is 1; n is a multiple of 16. `add`: onto what c holds, else over it.
void small_gemm(int64_t m, int64_t n, int64_t k, Strided a, Strided b, float* c, int64_t c_row, bool add);

/// Copies `rows` rows of n floats, n a multiple of 16, between row strides.
void copy_rows(const float* from, int64_t from_row, float* to, int64_t to_row, int64_t rows, int64_t n);

/// to[j, i] = from[i, j] for i < m, j < n, n a multiple of 16; zero for m <= i < the next multiple of 16.
void transpose(int64_t m, int64_t n, const float* from, int64_t from_row, float* to, int64_t to_row);

}  // namespace bessemer::models::ops
