#pragma once
#include <cstdint>
#include <cstring>

namespace bessemer::models::ops {

// Written without branches, so that loops over them vectorise. nan in, nan out.

/// 16 floats: a register of AVX-512, two of AVX2. For loops whose reductions gcc would take apart into scalars.
using Lanes = float __attribute__((vector_size(64), aligned(4), may_alias));

/// exp_clamped in place, for float or Lanes (by reference: passing Lanes by value would depend on the instruction set).
template <class Float, class Bits>
[[gnu::always_inline]] inline void exponential(Float& x) {
  x = x < -87.0f ? Float{} - 87.0f : x;
  x = x > 88.0f ? Float{} + 88.0f : x;
  constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: adding it leaves the nearest integer in the low bits
  const Float shifted = x * 1.44269504088896341f + kRound;
  const Float n = shifted - kRound;
  const Float r = (x - n * 0.693359375f) - n * -2.12194440e-4f;
  Float p = r * 1.9875691500e-4f + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  Bits scale;  // by memcpy: std::bit_cast would return Lanes by value
  std::memcpy(&scale, &shifted, sizeof scale);
  scale = (scale + 127u) << 23;
  Float power;
  std::memcpy(&power, &scale, sizeof power);
  x = p * power;
}

/// e^x, relative error below 2e-7, for x clamped to [-87, 88]. Source: Cephes, expf.
[[gnu::always_inline]] inline float exp_clamped(float x) {
  exponential<float, uint32_t>(x);
  return x;
}

[[gnu::always_inline]] inline void exp_lanes(Lanes& x) {
  using Float = float __attribute__((vector_size(64)));
  using Bits = uint32_t __attribute__((vector_size(64)));
  Float y = x;
  exponential<Float, Bits>(y);
  x = y;
}

struct Normal {
  float density;     ///< e^(-x^2 / 2), not yet divided by sqrt(2 pi)
  float cumulative;  ///< Phi(x)
};

/// The normal distribution at x, relative error 3e-7 in both tails (as far as e^(-x^2/2) has it).
///
/// erfc(a) = e^(-a^2) t Q(t) with t = 1 / (1 + 0.4 a), as Abramowitz and Stegun 7.1.26; Q is a least-squares fit of
/// degree 9 to erfcx(a) / t on a in [0, 10.5], relative error 1.1e-8.
[[gnu::always_inline]] inline Normal normal(float x) {
  const float a = (x < 0.0f ? -x : x) * 0.70710678118654752f;
  const float t = 1.0f / (1.0f + 0.4f * a);
  float q = -0.02947535914120956f;
  q = q * t + 0.19716459481686432f;
  q = q * t - 0.4963195436920121f;
  q = q * t + 0.5434264241401967f;
  q = q * t - 0.2804465925735093f;
  q = q * t + 0.26964275398646514f;
  q = q * t + 0.13062793088433736f;
  q = q * t + 0.2146925730988454f;
  q = q * t + 0.22498198842195982f;
  q = q * t + 0.22570523665406797f;
  const float density = exp_clamped(-0.5f * x * x);
  const float tail = 0.5f * density * t * q;
  return {density, x < 0.0f ? tail : 1.0f - tail};
}

}  // namespace bessemer::models::ops
