#include "parallel/tree_sum.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <type_traits>

#include "parallel/error.h"

namespace bessemer::parallel {
namespace {

constexpr int64_t kBlock = 1024;  // elements: the buffers of a tree over 2^10 ranks stay in the first caches

// bf16 and fp16 as bits. The conversions are without branches, so that they become vector instructions.
struct Bf16 {
  uint16_t bits;
};
struct Fp16 {
  uint16_t bits;
};

#define BESSEMER_INLINE inline __attribute__((always_inline))  // into each clone

BESSEMER_INLINE float widen(Bf16 x) { return std::bit_cast<float>(static_cast<uint32_t>(x.bits) << 16); }

BESSEMER_INLINE void narrow(float x, Bf16& out) {  // to nearest even; a nan stays one
  const auto w = std::bit_cast<uint32_t>(x);
  const uint32_t rounded = (w + 0x7fffu + ((w >> 16) & 1u)) >> 16;
  out.bits = static_cast<uint16_t>((w & 0x7fffffffu) > 0x7f800000u ? 0x7fc0u : rounded);
}

// Source: Maratyszcza/FP16, fp16_ieee_to_fp32_value and fp16_ieee_from_fp32_value.
BESSEMER_INLINE float widen(Fp16 x) {
  const uint32_t w = static_cast<uint32_t>(x.bits) << 16;
  const uint32_t twice = w + w;
  const float normal = std::bit_cast<float>((twice >> 4) + 0x70000000u) * 0x1p-112f;
  const float subnormal = std::bit_cast<float>((twice >> 17) | 0x3f000000u) - 0.5f;
  const uint32_t magnitude = twice < 0x08000000u ? std::bit_cast<uint32_t>(subnormal) : std::bit_cast<uint32_t>(normal);
  return std::bit_cast<float>((w & 0x80000000u) | magnitude);
}

BESSEMER_INLINE void narrow(float x, Fp16& out) {
  const auto w = std::bit_cast<uint32_t>(x);
  const uint32_t twice = w + w;
  const uint32_t exponent = twice & 0xff000000u;
  const uint32_t bias = exponent < 0x71000000u ? 0x71000000u : exponent;
  const float scaled =
      (std::bit_cast<float>(w & 0x7fffffffu) * 0x1p+112f) * 0x1p-110f;  // overflows to inf where fp16 does
  const auto bits = std::bit_cast<uint32_t>(std::bit_cast<float>((bias >> 1) + 0x07800000u) + scaled);
  const uint32_t magnitude = ((bits >> 13) & 0x7c00u) + (bits & 0x0fffu);
  out.bits = static_cast<uint16_t>((w >> 16 & 0x8000u) | (twice > 0xff000000u ? 0x7e00u : magnitude));
}

BESSEMER_CLONES void add(const float* a, const float* b, float* out, int64_t n) {
  for (int64_t i = 0; i < n; ++i) out[i] = a[i] + b[i];
}
BESSEMER_CLONES void add(const double* a, const double* b, double* out, int64_t n) {
  for (int64_t i = 0; i < n; ++i) out[i] = a[i] + b[i];
}
BESSEMER_CLONES void add(const int64_t* a, const int64_t* b, int64_t* out, int64_t n) {
  for (int64_t i = 0; i < n; ++i) out[i] = a[i] + b[i];
}
BESSEMER_CLONES void add(const int32_t* a, const int32_t* b, int32_t* out, int64_t n) {
  for (int64_t i = 0; i < n; ++i) out[i] = a[i] + b[i];
}
BESSEMER_CLONES void widen_all(const Bf16* x, float* out, int64_t n) {
  for (int64_t i = 0; i < n; ++i) out[i] = widen(x[i]);
}
BESSEMER_CLONES void widen_all(const Fp16* x, float* out, int64_t n) {
  for (int64_t i = 0; i < n; ++i) out[i] = widen(x[i]);
}
BESSEMER_CLONES void narrow_all(const float* x, Bf16* out, int64_t n) {
  for (int64_t i = 0; i < n; ++i) narrow(x[i], out[i]);
}
BESSEMER_CLONES void narrow_all(const float* x, Fp16* out, int64_t n) {
  for (int64_t i = 0; i < n; ++i) narrow(x[i], out[i]);
}

template <class T>
void select(const T* a, const T* b, T* out, int64_t n, bool largest) {
  for (int64_t i = 0; i < n; ++i) {
    const T x = a[i], y = b[i];
    const bool first = x != x || (largest ? x > y : x < y);  // a nan is never the lesser choice
    out[i] = first ? x : y;
  }
}

template <class T>
void combine(const T* a, const T* b, T* out, int64_t n, ReduceOp op) {
  if (op == ReduceOp::kSum) return add(a, b, out, n);
  select(a, b, out, n, op == ReduceOp::kMax);
}

template <class T>
using Accumulator = std::conditional_t<std::is_same_v<T, Bf16> || std::is_same_v<T, Fp16>, float, T>;

// One block of n <= kBlock elements at `offset` of every part.
template <class T>
struct BlockTree {
  std::span<const void* const> parts;
  int64_t offset;
  int64_t n;
  ReduceOp op;
  using A = Accumulator<T>;

  // The sum of parts [begin, end): in `into`, or, for one part that needs no conversion, where it lies.
  const A* reduce(int begin, int end, A* into) const {
    if (end - begin == 1) {
      const T* part = static_cast<const T*>(parts[static_cast<std::size_t>(begin)]) + offset;
      if constexpr (std::is_same_v<A, T>) {
        return part;
      } else {
        widen_all(part, into, n);
        return into;
      }
    }
    const int middle = begin + tree_split(end - begin);
    A buffer[kBlock];
    const A* left = reduce(begin, middle, buffer);
    const A* right = reduce(middle, end, into);
    combine(left, right, into, n, op);
    return into;
  }
};

template <class T>
void reduce_all(std::span<const void* const> parts, void* out, int64_t n, ReduceOp op) {
  const int count = static_cast<int>(parts.size());
  using A = Accumulator<T>;
  for (int64_t at = 0; at < n; at += kBlock) {
    const BlockTree<T> tree{parts, at, std::min(kBlock, n - at), op};
    T* target = static_cast<T*>(out) + at;
    if constexpr (!std::is_same_v<A, T>) {
      A buffer[kBlock];
      narrow_all(tree.reduce(0, count, buffer), target, tree.n);
    } else if (count == 1) {
      std::memmove(target, static_cast<const T*>(parts[0]) + at, sizeof(T) * static_cast<std::size_t>(tree.n));
    } else {
      A buffer[kBlock], other[kBlock];  // not the target: it may be a part that is still to be read
      const int middle = tree_split(count);
      combine(tree.reduce(0, middle, buffer), tree.reduce(middle, count, other), target, tree.n, op);
    }
  }
}

}  // namespace

int tree_split(int n) { return static_cast<int>(std::bit_floor(static_cast<unsigned>(n - 1))); }

void tree_reduce(std::span<const void* const> parts, void* out, int64_t n, at::ScalarType dtype, ReduceOp op) {
  switch (dtype) {
    case at::kFloat: return reduce_all<float>(parts, out, n, op);
    case at::kDouble: return reduce_all<double>(parts, out, n, op);
    case at::kBFloat16: return reduce_all<Bf16>(parts, out, n, op);
    case at::kHalf: return reduce_all<Fp16>(parts, out, n, op);
    case at::kLong: return reduce_all<int64_t>(parts, out, n, op);
    case at::kInt: return reduce_all<int32_t>(parts, out, n, op);
    default:
      fail(ExitCode::kInternal, "a sum over ranks of ", c10::toString(dtype),
           " tensors was asked for; fp32, fp64, bf16, fp16, int64 and int32 are supported");
  }
}

}  // namespace bessemer::parallel
