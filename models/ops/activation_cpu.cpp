#include "models/ops/activation_cpu.h"

#include <ATen/Parallel.h>

#include "models/ops/cpu_convert.h"
#include "models/ops/cpu_math.h"

namespace bessemer::models::ops {

namespace {

constexpr int64_t kBlock = 1024;  // elements at a time: a few buffers fit the first-level cache
constexpr float kInverseSqrtTwoPi = 0.39894228040143268f;

/// tanh-GELU is x * sigmoid(2 u), u = sqrt(2 / pi) (x + 0.044715 x^3).
[[gnu::always_inline]] inline float tanh_gate(float x) {
  return 1.0f / (1.0f + exp_clamped(x * (-1.5957691216057308f - 0.0713548162726009f * x * x)));
}
[[gnu::always_inline]] inline float sigmoid(float x) { return 1.0f / (1.0f + exp_clamped(-x)); }

}  // namespace

void activation_block(Activation kind, const float* x, int64_t n, float* y, float* slope);
void multiply_block(const float* a, const float* b, int64_t n, float* y);
void swiglu_block(const float* gate, const float* up, int64_t n, float* y);
void swiglu_block_backward(const float* gate, const float* up, const float* dy, int64_t n, float* dgate, float* dup);

BESSEMER_CLONES void activation_block(Activation kind, const float* __restrict x, int64_t n, float* __restrict y,
                                      float* __restrict slope) {
  switch (kind) {
    case Activation::kGelu:
      for (int64_t i = 0; i < n; ++i) {
        const auto [density, cumulative] = normal(x[i]);
        y[i] = x[i] * cumulative;
        slope[i] = cumulative + x[i] * density * kInverseSqrtTwoPi;
      }
      break;
    case Activation::kGeluTanh:
      for (int64_t i = 0; i < n; ++i) {
        const float gate = tanh_gate(x[i]);
        const float inner = 1.5957691216057308f + 0.2140644488178027f * x[i] * x[i];
        y[i] = x[i] * gate;
        slope[i] = gate + x[i] * gate * (1.0f - gate) * inner;
      }
      break;
    case Activation::kRelu:
      for (int64_t i = 0; i < n; ++i) {
        y[i] = x[i] < 0.0f ? 0.0f : x[i];
        slope[i] = x[i] > 0.0f ? 1.0f : 0.0f;
      }
      break;
    default:
      for (int64_t i = 0; i < n; ++i) {
        y[i] = x[i] < 0.0f ? 0.0f : x[i] * x[i];
        slope[i] = x[i] > 0.0f ? 2.0f * x[i] : 0.0f;
      }
  }
}

BESSEMER_CLONES void multiply_block(const float* __restrict a, const float* __restrict b, int64_t n,
                                    float* __restrict y) {
  for (int64_t i = 0; i < n; ++i) y[i] = a[i] * b[i];
}

BESSEMER_CLONES void swiglu_block(const float* __restrict gate, const float* __restrict up, int64_t n,
                                  float* __restrict y) {
  for (int64_t i = 0; i < n; ++i) y[i] = gate[i] * sigmoid(gate[i]) * up[i];
}

BESSEMER_CLONES void swiglu_block_backward(const float* __restrict gate, const float* __restrict up,
                                           const float* __restrict dy, int64_t n, float* __restrict dgate,
                                           float* __restrict dup) {
  for (int64_t i = 0; i < n; ++i) {
    const float s = sigmoid(gate[i]);
    dgate[i] = dy[i] * up[i] * s * (1.0f + gate[i] * (1.0f - s));
    dup[i] = dy[i] * gate[i] * s;
  }
}

namespace {

/// Calls work(begin, n, x offset) for pieces of at most kBlock elements of the output, none crossing a row of f.
template <class Work>
void for_pieces(int64_t numel, int64_t f, const Work& work) {
  if (numel == 0) return;
  const int64_t per_row = (f + kBlock - 1) / kBlock;
  at::parallel_for(0, numel / f * per_row, std::max<int64_t>(1, 32 * kBlock / std::min(f, kBlock)),
                   [&](int64_t first, int64_t last) {
                     for (int64_t piece = first; piece < last; ++piece) {
                       const int64_t row = piece / per_row, column = piece % per_row * kBlock;
                       work(row, column, std::min(kBlock, f - column));
                     }
                   });
}

}  // namespace

void activation_forward_cpu(Activation kind, const at::Tensor& x, at::Tensor& y, at::Tensor& slope) {
  const auto type = x.scalar_type();
  const void* in = x.const_data_ptr();
  void *out = y.mutable_data_ptr(), *derivative = slope.defined() ? slope.mutable_data_ptr() : nullptr;
  for_pieces(y.numel(), y.numel(), [&](int64_t, int64_t at, int64_t n) {
    float a[kBlock], b[kBlock], c[kBlock];
    float *result = room(out, type, at, b), *slopes = derivative != nullptr ? room(derivative, type, at, c) : c;
    activation_block(kind, to_float(in, type, at, n, a), n, result, slopes);
    from_float(result, n, out, type, at);
    if (derivative != nullptr) from_float(slopes, n, derivative, type, at);
  });
}

void activation_backward_cpu(const at::Tensor& slope, const at::Tensor& dy, at::Tensor& dx) {
  const auto type = slope.scalar_type();
  const void *factor = slope.const_data_ptr(), *gradient = dy.const_data_ptr();
  void* out = dx.mutable_data_ptr();
  for_pieces(dy.numel(), dy.numel(), [&](int64_t, int64_t at, int64_t n) {
    float a[kBlock], b[kBlock], c[kBlock];
    float* result = room(out, type, at, c);
    multiply_block(to_float(factor, type, at, n, a), to_float(gradient, type, at, n, b), n, result);
    from_float(result, n, out, type, at);
  });
}

void swiglu_forward_cpu(const at::Tensor& x, at::Tensor& y) {
  const auto type = x.scalar_type();
  const void* in = x.const_data_ptr();
  void* out = y.mutable_data_ptr();
  const int64_t f = y.size(-1);
  for_pieces(y.numel(), f, [&](int64_t row, int64_t column, int64_t n) {
    float a[kBlock], b[kBlock], c[kBlock];
    const int64_t at = row * f + column, gate = 2 * row * f + column;
    float* result = room(out, type, at, c);
    const float* gate_block = to_float(in, type, gate, n, a);
    swiglu_block(gate_block, to_float(in, type, gate + f, n, b), n, result);
    from_float(result, n, out, type, at);
  });
}

void swiglu_backward_cpu(const at::Tensor& x, const at::Tensor& dy, at::Tensor& dx) {
  const auto type = x.scalar_type();
  const void *in = x.const_data_ptr(), *gradient = dy.const_data_ptr();
  void* out = dx.mutable_data_ptr();
  const int64_t f = dy.size(-1);
  for_pieces(dy.numel(), f, [&](int64_t row, int64_t column, int64_t n) {
    float a[kBlock], b[kBlock], c[kBlock], d[kBlock], e[kBlock];
    const int64_t gate = 2 * row * f + column, up = gate + f;
    float *dgate = room(out, type, gate, d), *dup = room(out, type, up, e);
    const float* dy_block = to_float(gradient, type, row * f + column, n, a);
    const float* gate_block = to_float(in, type, gate, n, b);
    swiglu_block_backward(gate_block, to_float(in, type, up, n, c), dy_block, n, dgate, dup);
    from_float(dgate, n, out, type, gate);
    from_float(dup, n, out, type, up);
  });
}

}  // namespace bessemer::models::ops
