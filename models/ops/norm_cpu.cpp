#include "models/ops/norm_cpu.h"

#include <ATen/Parallel.h>

#include <cmath>

#include "models/ops/cpu_convert.h"

namespace bessemer::models::ops {

namespace {

constexpr int64_t kLanes = 16;
constexpr int64_t kRows = 32;  // rows per partial sum of the weight's gradient: fixed, so threads change no bit

/// Sum of term(i), i < n, in kLanes lanes; inlined so that the caller's instruction set counts.
template <class Term>
[[gnu::always_inline]] inline float lane_sum(int64_t n, const Term& term) {
  float lanes[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (int64_t l = 0; l < kLanes; ++l) lanes[l] += term(i + l);
  }
  float sum = 0.0f;
  for (; i < n; ++i) sum += term(i);
  for (int64_t width = kLanes / 2; width > 0; width /= 2) {
    for (int64_t l = 0; l < width; ++l) lanes[l] += lanes[l + width];
  }
  return sum + lanes[0];
}

}  // namespace

struct RowStats {
  float mean, rstd;
};
void add_rows(const float* a, const float* b, int64_t n, float* y);
RowStats row_stats(const float* x, int64_t n, bool centered, float eps);
void norm_row(const float* x, RowStats stats, const float* weight, const float* bias, int64_t n, float* y);
void norm_row_backward(const float* x, RowStats stats, const float* weight, const float* dy, int64_t n, bool centered,
                       float* dx);
void norm_row_parameters(const float* x, RowStats stats, const float* dy, int64_t n, float* dweight, float* dbias);

BESSEMER_CLONES void add_rows(const float* a, const float* b, int64_t n, float* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = a[i] + b[i];
}

BESSEMER_CLONES RowStats row_stats(const float* x, int64_t n, bool centered, float eps) {
  const float scale = 1.0f / static_cast<float>(n);
  const float mean = centered ? lane_sum(n, [x](int64_t i) { return x[i]; }) * scale : 0.0f;
  const float variance = lane_sum(n, [x, mean](int64_t i) { return (x[i] - mean) * (x[i] - mean); }) * scale;
  return {mean, 1.0f / std::sqrt(variance + eps)};
}

BESSEMER_CLONES void norm_row(const float* x, RowStats stats, const float* weight, const float* bias, int64_t n,
                              float* __restrict y) {
  if (bias != nullptr) {
    for (int64_t i = 0; i < n; ++i) y[i] = (x[i] - stats.mean) * stats.rstd * weight[i] + bias[i];
  } else {
    for (int64_t i = 0; i < n; ++i) y[i] = (x[i] - stats.mean) * stats.rstd * weight[i];
  }
}

BESSEMER_CLONES void norm_row_backward(const float* x, RowStats stats, const float* weight, const float* dy, int64_t n,
                                       bool centered, float* __restrict dx) {
  const float scale = 1.0f / static_cast<float>(n), mean = stats.mean, rstd = stats.rstd;
  const float g = centered ? lane_sum(n, [=](int64_t i) { return dy[i] * weight[i]; }) * scale : 0.0f;
  const float gx = lane_sum(n, [=](int64_t i) { return dy[i] * weight[i] * ((x[i] - mean) * rstd); }) * scale;
  for (int64_t i = 0; i < n; ++i) dx[i] = rstd * (dy[i] * weight[i] - g - (x[i] - mean) * rstd * gx);
}

BESSEMER_CLONES void norm_row_parameters(const float* x, RowStats stats, const float* dy, int64_t n,
                                         float* __restrict dweight, float* __restrict dbias) {
  for (int64_t i = 0; i < n; ++i) {
    dweight[i] += dy[i] * ((x[i] - stats.mean) * stats.rstd);
    dbias[i] += dy[i];
  }
}

void norm_forward_cpu(NormForward& io) {
  const int64_t h = io.x.size(-1), rows = io.stats.size(1);
  const auto type = io.x.scalar_type();
  const auto weight = io.weight.to(at::kFloat), bias = io.bias.defined() ? io.bias.to(at::kFloat) : at::Tensor();
  const float *w = weight.const_data_ptr<float>(), *b = bias.defined() ? bias.const_data_ptr<float>() : nullptr;
  const void *x = io.x.const_data_ptr(), *residual = io.residual.defined() ? io.residual.const_data_ptr() : nullptr;
  void *y = io.y.mutable_data_ptr(), *sum = residual != nullptr ? io.sum.mutable_data_ptr() : nullptr;
  float* stats = io.stats.mutable_data_ptr<float>();
  at::parallel_for(0, rows, std::max<int64_t>(1, 32768 / std::max<int64_t>(h, 1)), [&](int64_t first, int64_t last) {
    std::vector<float> a(h), c(h), out(h);
    for (int64_t row = first; row < last; ++row) {
      const int64_t at = row * h;
      const float* values = to_float(x, type, at, h, a.data());
      if (residual != nullptr) {
        float* total = room(sum, type, at, c.data());
        add_rows(values, to_float(residual, type, at, h, c.data()), h, total);
        from_float(total, h, sum, type, at);
        values = to_float(sum, type, at, h, c.data());  // what is normed is what is stored, rounded
      }
      const auto s = row_stats(values, h, io.centered, static_cast<float>(io.eps));
      stats[row] = s.mean;
      stats[rows + row] = s.rstd;
      float* result = room(y, type, at, out.data());
      norm_row(values, s, w, b, h, result);
      from_float(result, h, y, type, at);
    }
  });
}

void norm_backward_cpu(NormBackward& io) {
  const int64_t h = io.x.size(-1), rows = io.stats.size(1), chunks = (rows + kRows - 1) / kRows;
  const auto type = io.x.scalar_type();
  const auto weight = io.weight.to(at::kFloat);
  auto partial = at::zeros({chunks, 2, h}, weight.options());
  const float *w = weight.const_data_ptr<float>(), *stats = io.stats.const_data_ptr<float>();
  const void *x = io.x.const_data_ptr(), *dy = io.dy.const_data_ptr();
  const void* dsum = io.dsum.defined() ? io.dsum.const_data_ptr() : nullptr;
  void* dx = io.dx.mutable_data_ptr();
  float* sums = partial.mutable_data_ptr<float>();
  at::parallel_for(0, chunks, 1, [&](int64_t first, int64_t last) {
    std::vector<float> a(h), b(h), c(h), out(h);
    for (int64_t row = first * kRows; row < std::min(rows, last * kRows); ++row) {
      const int64_t at = row * h;
      const RowStats s{stats[row], stats[rows + row]};
      const float* values = to_float(x, type, at, h, a.data());
      const float* gradient = to_float(dy, type, at, h, b.data());
      float* result = room(dx, type, at, out.data());
      norm_row_backward(values, s, w, gradient, h, io.centered, result);
      if (dsum != nullptr) add_rows(result, to_float(dsum, type, at, h, c.data()), h, result);
      from_float(result, h, dx, type, at);
      norm_row_parameters(values, s, gradient, h, sums + row / kRows * 2 * h, sums + row / kRows * 2 * h + h);
    }
  });
  const auto total = partial.sum(0);
  io.dweight = total[0];
  io.dbias = total[1];
}

}  // namespace bessemer::models::ops
