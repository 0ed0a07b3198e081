#include <cmath>
#include <cstring>

#include "trainer/flat_kernels.h"

namespace bessemer::trainer {
namespace {

// Round to nearest even; a nan stays one.
[[gnu::always_inline]] inline uint16_t to_bf16(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  const uint32_t rounded = (bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16;
  const bool nan = (bits & 0x7FFFFFFFu) > 0x7F800000u;
  return static_cast<uint16_t>(nan ? 0x7FC0u : rounded);
}

[[gnu::always_inline]] inline float from_bf16(uint16_t x) {
  const uint32_t bits = static_cast<uint32_t>(x) << 16;
  float out;
  std::memcpy(&out, &bits, sizeof out);
  return out;
}

BESSEMER_CLONES void adam_kernel(const AdamStep& s, float* __restrict w, float* __restrict g, float* __restrict m,
                                 float* __restrict v, int64_t n) {
  const float keep = 1.0f - s.lr * s.weight_decay, step = s.lr / s.bias1;
  const float b1 = s.beta1, b2 = s.beta2, eps = s.eps, factor = s.gradient_factor;
  const float unbias2 = 1.0f / s.bias2_sqrt;  // divisions bound this loop where the buffers are in a cache
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) {
    const float gradient = g[i] * factor;
    g[i] = 0.0f;
    const float mi = m[i] = b1 * m[i] + (1.0f - b1) * gradient;
    const float vi = v[i] = b2 * v[i] + (1.0f - b2) * gradient * gradient;
    w[i] = keep * w[i] - step * mi / (std::sqrt(vi) * unbias2 + eps);
  }
}

BESSEMER_CLONES void direction_kernel(const AdamStep& s, const float* __restrict w, float* __restrict g,
                                      float* __restrict m, float* __restrict v, int64_t n) {
  const float b1 = s.beta1, b2 = s.beta2, eps = s.eps, factor = s.gradient_factor, decay = s.weight_decay;
  const float unbias1 = 1.0f / s.bias1, unbias2 = 1.0f / s.bias2_sqrt;
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) {
    const float gradient = g[i] * factor;
    const float mi = m[i] = b1 * m[i] + (1.0f - b1) * gradient;
    const float vi = v[i] = b2 * v[i] + (1.0f - b2) * gradient * gradient;
    g[i] = mi * unbias1 / (std::sqrt(vi) * unbias2 + eps) + decay * w[i];
  }
}

BESSEMER_CLONES void apply_kernel(float length, float* __restrict w, float* __restrict direction, int64_t n) {
  for (int64_t i = 0; i < n; ++i) w[i] -= length * direction[i], direction[i] = 0.0f;
}

BESSEMER_CLONES void store_bf16(const float* __restrict w, uint16_t* __restrict low, int64_t n) {
  for (int64_t i = 0; i < n; ++i) low[i] = to_bf16(w[i]);
}

BESSEMER_CLONES void store_fp16(const float* __restrict w, uint16_t* __restrict low, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    const _Float16 x = static_cast<_Float16>(w[i]);
    std::memcpy(low + i, &x, sizeof x);
  }
}

BESSEMER_CLONES void add_bf16(float* __restrict into, uint16_t* __restrict low, int64_t n) {
  for (int64_t i = 0; i < n; ++i) into[i] += from_bf16(low[i]), low[i] = 0;
}

BESSEMER_CLONES void add_fp16(float* __restrict into, uint16_t* __restrict low, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    _Float16 x;
    std::memcpy(&x, low + i, sizeof x);
    into[i] += static_cast<float>(x);
    low[i] = 0;
  }
}

constexpr int kLanes = 16;

BESSEMER_CLONES void square_lanes(const float* __restrict x, int64_t n, float* __restrict lanes) {
  float sum[kLanes] = {};
  for (int64_t i = 0; i + kLanes <= n; i += kLanes) {
    for (int l = 0; l < kLanes; ++l) sum[l] += x[i + l] * x[i + l];
  }
  for (int64_t i = n / kLanes * kLanes, l = 0; i < n; ++i, ++l) sum[l] += x[i] * x[i];
  for (int l = 0; l < kLanes; ++l) lanes[l] = sum[l];
}

/// update(buffers, count) and the 16-bit copy of what it wrote, by chunks.
template <class Update>
void update_and_store(const AdamBuffers& b, int64_t n, const Update& update) {
  constexpr int64_t kChunk = 4096;  // stays in the first-level cache between the two passes
  for (int64_t i = 0; i < n; i += kChunk) {
    const auto at = b.from(i);
    const int64_t count = n - i < kChunk ? n - i : kChunk;
    update(at, count);
    if (b.kind == LowKind::kBf16) store_bf16(at.weight, at.low, count);
    if (b.kind == LowKind::kFp16) store_fp16(at.weight, at.low, count);
  }
}

}  // namespace

void adam_update_cpu(const AdamStep& step, const AdamBuffers& buffers, int64_t n) {
  update_and_store(buffers, n, [&step](const AdamBuffers& at, int64_t count) {
    adam_kernel(step, at.weight, at.gradient, at.momentum, at.variance, count);
  });
}

void lamb_direction_cpu(const AdamStep& step, const AdamBuffers& b, int64_t n) {
  direction_kernel(step, b.weight, b.gradient, b.momentum, b.variance, n);
}

void lamb_apply_cpu(float length, const AdamBuffers& buffers, int64_t n) {
  update_and_store(buffers, n, [length](const AdamBuffers& at, int64_t count) {
    apply_kernel(length, at.weight, at.gradient, count);
  });
}

void add_and_clear_cpu(float* into, uint16_t* low, LowKind kind, int64_t n) {
  if (kind == LowKind::kBf16) return add_bf16(into, low, n);
  add_fp16(into, low, n);
}

double sum_squares_cpu(const float* x, int64_t n) {
  float lanes[kLanes];
  square_lanes(x, n, lanes);
  double sum = 0;
  for (const float lane : lanes) sum += static_cast<double>(lane);
  if (std::isfinite(sum)) return sum;
  sum = 0;  // a square beyond fp32, or an element that is not finite
  for (int64_t i = 0; i < n; ++i) sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  return sum;
}

}  // namespace bessemer::trainer
