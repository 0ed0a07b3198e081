#include "models/ops/cpu_convert.h"

#include <ATen/Parallel.h>

#include <bit>
#include <cstring>

namespace bessemer::models::ops {

void bf16_to_float(const uint16_t* x, int64_t n, float* y);
void float_to_bf16(const float* x, int64_t n, uint16_t* y);
void half_to_float(const uint16_t* x, int64_t n, float* y);
void float_to_half(const float* x, int64_t n, uint16_t* y);

BESSEMER_CLONES void bf16_to_float(const uint16_t* __restrict x, int64_t n, float* __restrict y) {
  for (int64_t i = 0; i < n; ++i) y[i] = std::bit_cast<float>(static_cast<uint32_t>(x[i]) << 16);
}

BESSEMER_CLONES void float_to_bf16(const float* __restrict x, int64_t n, uint16_t* __restrict y) {
  for (int64_t i = 0; i < n; ++i) {
    const auto bits = std::bit_cast<uint32_t>(x[i]);
    const uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
    y[i] = static_cast<uint16_t>((bits & 0x7fffffffu) > 0x7f800000u ? 0x7fc0u : rounded);  // nan stays nan
  }
}

// Source for both: Fabian Giesen, "float->half variants", 2012 (public domain): exponents move by a multiplication.
BESSEMER_CLONES void half_to_float(const uint16_t* __restrict x, int64_t n, float* __restrict y) {
  for (int64_t i = 0; i < n; ++i) {
    const uint32_t magnitude = static_cast<uint32_t>(x[i] & 0x7fffu) << 13;
    const float scaled = std::bit_cast<float>(magnitude) * 5.192296858534828e33f;  // 2^112; subnormals come out right
    const uint32_t special = magnitude >= 0x0f800000u ? magnitude | 0x7f800000u : std::bit_cast<uint32_t>(scaled);
    y[i] = std::bit_cast<float>(special | static_cast<uint32_t>(x[i] & 0x8000u) << 16);
  }
}

BESSEMER_CLONES void float_to_half(const float* __restrict x, int64_t n, uint16_t* __restrict y) {
  for (int64_t i = 0; i < n; ++i) {
    const auto bits = std::bit_cast<uint32_t>(x[i]);
    const uint32_t magnitude = bits & 0x7fffffffu;
    const uint32_t odd = (magnitude >> 13) & 1u;
    const uint32_t ordinary = (magnitude - (112u << 23) + 0xfffu + odd) >> 13;
    // Below 2^-14 the addition of 0.5 shifts the bits of a subnormal into place and rounds them.
    const uint32_t subnormal = std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) + 0.5f) - 0x3f000000u;
    uint32_t half = magnitude < 0x38800000u ? subnormal : ordinary;
    half = magnitude >= 0x477ff000u ? 0x7c00u : half;  // rounds to 65,536 or more
    half = magnitude > 0x7f800000u ? 0x7e00u : half;
    y[i] = static_cast<uint16_t>(half | ((bits >> 16) & 0x8000u));
  }
}

const float* to_float(const void* data, at::ScalarType type, int64_t offset, int64_t n, float* buffer) {
  if (type == at::kFloat) return static_cast<const float*>(data) + offset;
  const auto* words = static_cast<const uint16_t*>(data) + offset;
  type == at::kBFloat16 ? bf16_to_float(words, n, buffer) : half_to_float(words, n, buffer);
  return buffer;
}

void from_float(const float* values, int64_t n, void* data, at::ScalarType type, int64_t offset) {
  if (type == at::kFloat) {
    auto* to = static_cast<float*>(data) + offset;
    if (to != values && n > 0) std::memcpy(to, values, static_cast<std::size_t>(n) * sizeof(float));
    return;
  }
  auto* words = static_cast<uint16_t*>(data) + offset;
  type == at::kBFloat16 ? float_to_bf16(values, n, words) : float_to_half(values, n, words);
}

float* room(void* data, at::ScalarType type, int64_t offset, float* buffer) {
  return type == at::kFloat ? static_cast<float*>(data) + offset : buffer;
}

namespace {

constexpr int64_t kBlock = 2048;  // elements: a few buffers stay in the first-level cache

/// work(begin, n) for pieces of at most kBlock elements
template <class Work>
void for_blocks(int64_t numel, const Work& work) {
  at::parallel_for(0, numel, 16 * kBlock, [&](int64_t first, int64_t last) {
    for (int64_t at = first; at < last; at += kBlock) work(at, std::min(kBlock, last - at));
  });
}

}  // namespace

void add_block(const float* x, int64_t n, float* sum);

BESSEMER_CLONES void add_block(const float* __restrict x, int64_t n, float* __restrict sum) {
  for (int64_t i = 0; i < n; ++i) sum[i] += x[i];
}

at::Tensor widened(const at::Tensor& given) {
  const auto x = given.contiguous();
  auto y = at::empty(x.sizes(), x.options().dtype(at::kFloat));
  const void* from = x.const_data_ptr();
  auto* to = y.mutable_data_ptr<float>();
  for_blocks(x.numel(), [&](int64_t at, int64_t n) {
    const float* values = to_float(from, x.scalar_type(), at, n, to + at);
    from_float(values, n, to, at::kFloat, at);
  });
  return y;
}

at::Tensor narrowed(const at::Tensor& given, at::ScalarType type) {
  const auto x = given.contiguous();
  auto y = at::empty(x.sizes(), x.options().dtype(type));
  const auto* from = x.const_data_ptr<float>();
  void* to = y.mutable_data_ptr();
  for_blocks(x.numel(), [&](int64_t at, int64_t n) { from_float(from + at, n, to, type, at); });
  return y;
}

void add_rounded(at::Tensor sum, const at::Tensor& x) {
  if (!sum.is_cpu() || !sum.is_contiguous() || !x.is_contiguous() || x.scalar_type() != at::kFloat ||
      sum.scalar_type() == at::kFloat) {
    sum.add_(x);  // LibTorch computes 16-bit plus fp32 in fp32 too
    return;
  }
  void* to = sum.mutable_data_ptr();
  const auto* from = x.const_data_ptr<float>();
  for_blocks(sum.numel(), [&](int64_t at, int64_t n) {
    float buffer[kBlock];
    to_float(to, sum.scalar_type(), at, n, buffer);
    add_block(from + at, n, buffer);
    from_float(buffer, n, to, sum.scalar_type(), at);
  });
}

}  // namespace bessemer::models::ops
