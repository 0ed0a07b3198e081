#include "models/ops/small_gemm_cpu.h"

namespace bessemer::models::ops {

namespace {

using Vector = float __attribute__((vector_size(64), aligned(4), may_alias));
using Half = float __attribute__((vector_size(32), aligned(4), may_alias));
constexpr int64_t kWidth = 16;

/// R rows by C vectors of c, held in registers while k runs. The sums of an element do not depend on R, C and V.
template <class V, int R, int C>
[[gnu::always_inline]] inline void tile(int64_t k, Strided a, Strided b, float* c, int64_t c_row, bool add) {
  constexpr int64_t kLanes = sizeof(V) / sizeof(float);
  V sums[R][C];
  for (int r = 0; r < R; ++r) {
    for (int v = 0; v < C; ++v) sums[r][v] = add ? *reinterpret_cast<V*>(c + r * c_row + v * kLanes) : V{};
  }
  for (int64_t p = 0; p < k; ++p) {
    const auto* row = reinterpret_cast<const V*>(b.data + p * b.row);
    for (int r = 0; r < R; ++r) {
      const float factor = a.data[r * a.row + p * a.column];
      for (int v = 0; v < C; ++v) sums[r][v] += factor * row[v];
    }
  }
  for (int r = 0; r < R; ++r) {
    for (int v = 0; v < C; ++v) *reinterpret_cast<V*>(c + r * c_row + v * kLanes) = sums[r][v];
  }
}

/// All rows of C vectors' width.
template <class V, int R, int C>
[[gnu::always_inline]] inline void stripe(int64_t m, int64_t k, Strided a, Strided b, float* c, int64_t c_row,
                                          bool add) {
  int64_t i = 0;
  const auto at = [&](int64_t row) { return Strided{a.data + row * a.row, a.row, a.column}; };
  for (; i + R <= m; i += R) tile<V, R, C>(k, at(i), b, c + i * c_row, c_row, add);
  for (; i + 2 <= m; i += 2) tile<V, 2, C>(k, at(i), b, c + i * c_row, c_row, add);
  for (; i < m; ++i) tile<V, 1, C>(k, at(i), b, c + i * c_row, c_row, add);
}

/// One step of a perfect shuffle of 16 x 16 elements; four of them transpose.
[[gnu::always_inline]] inline void interleave(const Vector* from, Vector* to) {
  using Index = int32_t __attribute__((vector_size(64)));
  constexpr Index kLow = {0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23};
  constexpr Index kHigh = {8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
  for (int i = 0; i < 8; ++i) {
    to[2 * i] = __builtin_shuffle(from[i], from[i + 8], kLow);
    to[2 * i + 1] = __builtin_shuffle(from[i], from[i + 8], kHigh);
  }
}

}  // namespace

BESSEMER_CLONES void copy_rows(const float* from, int64_t from_row, float* to, int64_t to_row, int64_t rows,
                               int64_t n) {
  for (int64_t i = 0; i < rows; ++i) {  // by vectors: for rows this short a call of memcpy costs more than the copy
    for (int64_t j = 0; j < n; j += kWidth) {
      *reinterpret_cast<Vector*>(to + i * to_row + j) = *reinterpret_cast<const Vector*>(from + i * from_row + j);
    }
  }
}

BESSEMER_CLONES void transpose(int64_t m, int64_t n, const float* from, int64_t from_row, float* to, int64_t to_row) {
  for (int64_t i = 0; i < m; i += kWidth) {
    for (int64_t j = 0; j < n; j += kWidth) {
      Vector a[kWidth], b[kWidth];
#pragma GCC unroll 16
      for (int64_t r = 0; r < kWidth; ++r) {
        a[r] = i + r < m ? *reinterpret_cast<const Vector*>(from + (i + r) * from_row + j) : Vector{};
      }
      interleave(a, b), interleave(b, a), interleave(a, b), interleave(b, a);
#pragma GCC unroll 16
      for (int64_t r = 0; r < kWidth; ++r) *reinterpret_cast<Vector*>(to + (j + r) * to_row + i) = a[r];
    }
  }
}

BESSEMER_CLONES void small_gemm(int64_t m, int64_t n, int64_t k, Strided a, Strided b, float* c, int64_t c_row,
                                bool add) {
  static const bool wide = __builtin_cpu_supports("avx512f");  // 32 registers of 16 floats, else 16 of 8
  int64_t j = 0;
  if (!wide) {
    for (; j < n; j += kWidth) stripe<Half, 6, 2>(m, k, a, {b.data + j, b.row, 1}, c + j, c_row, add);
    return;
  }
  for (; j + 4 * kWidth <= n; j += 4 * kWidth) stripe<Vector, 4, 4>(m, k, a, {b.data + j, b.row, 1}, c + j, c_row, add);
  for (; j + 2 * kWidth <= n; j += 2 * kWidth) stripe<Vector, 8, 2>(m, k, a, {b.data + j, b.row, 1}, c + j, c_row, add);
  for (; j < n; j += kWidth) stripe<Vector, 8, 1>(m, k, a, {b.data + j, b.row, 1}, c + j, c_row, add);
}

}  // namespace bessemer::models::ops
