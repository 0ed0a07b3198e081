#pragma once
#include <cstdint>

namespace bessemer::models::ops {

/// Element (i, k) is data[i * row + k * column].
struct Strided {
  const float* data;
  int64_t row, column;
};

/// c[m, n] (+)= a[m, k] b[k, n] in fp32 for the small blocks of attention, without packing. b and c are row-major: their
/// `column` is 1; n is a multiple of 16. `add`: onto what c holds, else over it.
void small_gemm(int64_t m, int64_t n, int64_t k, Strided a, Strided b, float* c, int64_t c_row, bool add);

}  // namespace bessemer::models::ops
