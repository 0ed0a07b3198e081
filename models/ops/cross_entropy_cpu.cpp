#include "models/ops/cross_entropy_cpu.h"

#include <ATen/Parallel.h>

#include <cmath>

#include "models/ops/cpu_convert.h"
#include "models/ops/cpu_math.h"

namespace bessemer::models::ops {

float maximum(const float* x, int64_t n);
float sum_of_exponentials(const float* x, int64_t n, float top);
void softmax_times(const float* x, int64_t n, float lse, float scale, float* y);

namespace {
constexpr int64_t kLanes = 16;
}

BESSEMER_CLONES float maximum(const float* x, int64_t n) {
  float lanes[kLanes];
  for (int64_t l = 0; l < kLanes; ++l) lanes[l] = -INFINITY;
  int64_t i = 0;
  // !(a <= b) lets a nan through to the loss
  for (; i + kLanes <= n; i += kLanes) {
    for (int64_t l = 0; l < kLanes; ++l) lanes[l] = !(x[i + l] <= lanes[l]) ? x[i + l] : lanes[l];
  }
  for (; i < n; ++i) lanes[0] = !(x[i] <= lanes[0]) ? x[i] : lanes[0];
  for (int64_t l = 1; l < kLanes; ++l) lanes[0] = !(lanes[l] <= lanes[0]) ? lanes[l] : lanes[0];
  return lanes[0];
}

BESSEMER_CLONES float sum_of_exponentials(const float* x, int64_t n, float top) {
  float lanes[kLanes] = {}, sum = 0.0f;
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (int64_t l = 0; l < kLanes; ++l) lanes[l] += exp_clamped(x[i + l] - top);
  }
  for (; i < n; ++i) sum += exp_clamped(x[i] - top);
  for (int64_t l = 0; l < kLanes; ++l) sum += lanes[l];
  return sum;
}

BESSEMER_CLONES void softmax_times(const float* x, int64_t n, float lse, float scale, float* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = exp_clamped(x[i] - lse) * scale;
}

namespace {

/// work(row, its first `valid` logits as fp32, a buffer of that size)
template <class Work>
void for_rows(const at::Tensor& logits, int64_t valid, const Work& work) {
  const int64_t v = logits.size(1);
  const void* data = logits.const_data_ptr();
  at::parallel_for(0, logits.size(0), std::max<int64_t>(1, 16384 / std::max<int64_t>(v, 1)),
                   [&](int64_t first, int64_t last) {
                     std::vector<float> buffer(v);
                     for (int64_t row = first; row < last; ++row)
                       work(row, to_float(data, logits.scalar_type(), row * v, valid, buffer.data()), buffer.data());
                   });
}

}  // namespace

void row_maximum_cpu(const at::Tensor& logits, int64_t valid, at::Tensor& top) {
  auto* out = top.mutable_data_ptr<float>();
  for_rows(logits, valid, [&](int64_t row, const float* x, float*) { out[row] = maximum(x, valid); });
}

void row_sums_cpu(const at::Tensor& logits, int64_t valid, const at::Tensor& top, const at::Tensor& targets,
                  int64_t begin, at::Tensor& sums) {
  const auto* most = top.const_data_ptr<float>();
  const auto* target = targets.const_data_ptr<int64_t>();
  auto* out = sums.mutable_data_ptr<float>();
  const int64_t n = logits.size(0);
  for_rows(logits, valid, [&](int64_t row, const float* x, float*) {
    out[row] = sum_of_exponentials(x, valid, most[row]);
    const int64_t local = target[row] - begin;
    out[n + row] = local >= 0 && local < valid ? x[local] : 0.0f;
  });
}

void logits_to_gradient_cpu(at::Tensor& logits, int64_t valid, const at::Tensor& lse, const at::Tensor& targets,
                            int64_t begin, const at::Tensor& scale) {
  const auto *log_sum = lse.const_data_ptr<float>(), *factor = scale.const_data_ptr<float>();
  const auto* target = targets.const_data_ptr<int64_t>();
  const int64_t v = logits.size(1);
  const auto type = logits.scalar_type();
  void* data = logits.mutable_data_ptr();
  for_rows(logits, valid, [&](int64_t row, const float* x, float* buffer) {
    softmax_times(x, valid, log_sum[row], factor[row], buffer);
    if (factor[row] == 0.0f) std::fill_n(buffer, valid, 0.0f);  // a masked row: 0, also where its softmax is nan
    std::fill(buffer + valid, buffer + v, 0.0f);
    const int64_t local = target[row] - begin;
    if (local >= 0 && local < valid) buffer[local] -= factor[row];
    from_float(buffer, v, data, type, row * v);
  });
}

}  // namespace bessemer::models::ops
