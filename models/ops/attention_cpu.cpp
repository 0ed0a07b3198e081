#include "models/ops/attention_cpu.h"

#include <ATen/Parallel.h>

#include <cmath>
#include <memory>

#include "models/ops/cpu_convert.h"
#include "models/ops/cpu_math.h"
#include "models/ops/small_gemm_cpu.h"
#include "parallel/random.h"

namespace bessemer::models::ops {

namespace {

constexpr int64_t kQueries = 32;  // query rows at a time
constexpr int64_t kLanes = 16;
using Indices = int32_t __attribute__((vector_size(64)));
constexpr Indices kFirst = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

/// Sum or maximum of the lanes, in a tree.
[[gnu::always_inline]] inline float sum_of(const Lanes& x) {
  float lanes[kLanes];
  *reinterpret_cast<Lanes*>(lanes) = x;
#pragma GCC unroll 4
  for (int64_t width = kLanes / 2; width > 0; width /= 2) {
#pragma GCC unroll 8
    for (int64_t l = 0; l < width; ++l) lanes[l] += lanes[l + width];
  }
  return lanes[0];
}
[[gnu::always_inline]] inline float maximum_of(const Lanes& x) {
  float lanes[kLanes];
  *reinterpret_cast<Lanes*>(lanes) = x;
#pragma GCC unroll 4
  for (int64_t width = kLanes / 2; width > 0; width /= 2) {
#pragma GCC unroll 8
    for (int64_t l = 0; l < width; ++l) lanes[l] = lanes[l + width] > lanes[l] ? lanes[l + width] : lanes[l];
  }
  return lanes[0];
}

int64_t padded(int64_t n) { return (n + kLanes - 1) / kLanes * kLanes; }

}  // namespace

/// Which keys of a row of scores are seen: [begin, end).
struct Seen {
  int32_t begin, end;
};
float exp_row(float* scores, Seen seen, int64_t width);
void probability_row(float* scores, float lse, Seen seen, int64_t width);
void scale_row(float* x, float factor, int64_t n);
void keep_row(float* x, const uint8_t* keep, float factor, int64_t n);
void score_gradient_row(const float* p, float* dp, float delta, int64_t n);
float dot_row(const float* a, const float* b, int64_t n);

/// Scores to probabilities, zero where they are not seen; returns the log of the sum of exponentials.
BESSEMER_CLONES float exp_row(float* scores, Seen seen, int64_t width) {
  auto* const x = reinterpret_cast<Lanes*>(scores);
  const int64_t n = width / kLanes;
  Lanes top = Lanes{} - INFINITY, sum{};
  Indices index = kFirst;
  for (int64_t i = 0; i < n; ++i, index += static_cast<int32_t>(kLanes)) {
    x[i] = (index >= seen.begin) & (index < seen.end) ? x[i] : Lanes{} - INFINITY;
    top = x[i] > top ? x[i] : top;
  }
  const float most = maximum_of(top);
  index = kFirst;
  for (int64_t i = 0; i < n; ++i, index += static_cast<int32_t>(kLanes)) {
    Lanes e = x[i] - most;
    exp_lanes(e);
    // Now: its product below would be denormal, which is slow.
    e = (index >= seen.begin) & (index < seen.end) ? e : Lanes{};
    sum += e;
    x[i] = e;
  }
  const float total = sum_of(sum), factor = 1.0f / total;
  for (int64_t i = 0; i < n; ++i) x[i] *= factor;
  return most + std::log(total);
}

BESSEMER_CLONES void probability_row(float* scores, float lse, Seen seen, int64_t width) {
  auto* const x = reinterpret_cast<Lanes*>(scores);
  Indices index = kFirst;
  for (int64_t i = 0; i < width / kLanes; ++i, index += static_cast<int32_t>(kLanes)) {
    Lanes e = x[i] - lse;
    exp_lanes(e);
    x[i] = (index >= seen.begin) & (index < seen.end) ? e : Lanes{};
  }
}

BESSEMER_CLONES void scale_row(float* x, float factor, int64_t n) {
  for (int64_t i = 0; i < n; ++i) x[i] *= factor;
}

BESSEMER_CLONES void keep_row(float* x, const uint8_t* keep, float factor, int64_t n) {
  for (int64_t i = 0; i < n; ++i) x[i] *= static_cast<float>(keep[i]) * factor;
}

BESSEMER_CLONES void score_gradient_row(const float* p, float* dp, float delta, int64_t n) {
  for (int64_t i = 0; i < n; ++i) dp[i] = p[i] * (dp[i] - delta);
}

BESSEMER_CLONES float dot_row(const float* a, const float* b, int64_t n) {  // n a multiple of kLanes
  const auto *x = reinterpret_cast<const Lanes*>(a), *y = reinterpret_cast<const Lanes*>(b);
  Lanes sum{};
  for (int64_t i = 0; i < n / kLanes; ++i) sum += x[i] * y[i];
  return sum_of(sum);
}

namespace {

/// The extents of one call, and copies between a head's strided rows and dense padded fp32 blocks.
struct Shape {
  explicit Shape(const PackedAttention& io)
      : s(io.qkv.size(0)), b(io.qkv.size(1)), heads(io.heads), kv_heads(io.kv_heads), group(heads / kv_heads),
        d(io.qkv.size(2) / (heads + 2 * kv_heads)), wide(padded(d)), keys(padded(s)), type(io.qkv.scalar_type()) {}

  /// Rows [s, wide] of head `head` of `x`, which holds `all` heads per position.
  void read(const at::Tensor& x, int64_t all, int64_t row, int64_t head, float* to) const {
    const void* data = x.const_data_ptr();
    if (whole())
      return copy_rows(static_cast<const float*>(data) + (row * all + head) * d, b * all * d, to, wide, s, d);
    for (int64_t i = 0; i < s; ++i) {
      const float* values = to_float(data, type, ((i * b + row) * all + head) * d, d, to + i * wide);
      if (values != to + i * wide) std::copy(values, values + d, to + i * wide);
      std::fill(to + i * wide + d, to + (i + 1) * wide, 0.0f);
    }
  }
  void write(const float* from, at::Tensor& x, int64_t all, int64_t row, int64_t head) const {
    void* data = x.mutable_data_ptr();
    if (whole()) return copy_rows(from, wide, static_cast<float*>(data) + (row * all + head) * d, b * all * d, s, d);
    for (int64_t i = 0; i < s; ++i) from_float(from + i * wide, d, data, type, ((i * b + row) * all + head) * d);
  }
  bool whole() const { return type == at::kFloat && wide == d; }
  int64_t block() const { return s * wide; }

  int64_t s, b, heads, kv_heads, group, d, wide, keys;
  at::ScalarType type;
};

struct Gradients {
  const at::Tensor& dy;
  at::Tensor& dqkv;
};

/// Some query rows: which, and the keys that they see between them, from a multiple of kLanes on.
struct Rows {
  Rows(int64_t begin, const Shape& shape, const PackedAttention& io, int64_t row)
      : first(begin), count(std::min(kQueries, shape.s - begin)), causal(io.causal),
        keys(causal ? begin + count : shape.s) {
    if (io.starts.defined()) {
      starts = io.starts.const_data_ptr<int64_t>() + row * shape.s;
      from = starts[first] / kLanes * kLanes;  // they never go back
      if (!causal) keys = end_of(first + count - 1, shape.s);
    }
    if (io.ends.defined()) {
      ends = io.ends.const_data_ptr<int64_t>() + row * shape.s;
      keys = std::max(keys, ends[first + count - 1]);  // nor do they
    }
    width = padded(keys) - from;
  }
  /// Of query first + i, counted from `from`.
  Seen seen(int64_t i) const {
    const int64_t at = first + i;
    const int64_t prefix = ends != nullptr ? ends[at] : 0;
    const int64_t end = causal ? std::max(at + 1, prefix) : starts != nullptr ? end_of(at, keys) : keys;
    return {static_cast<int32_t>((starts != nullptr ? starts[at] : 0) - from), static_cast<int32_t>(end - from)};
  }
  /// Where the document of position `at` ends, looking no further than `limit`.
  int64_t end_of(int64_t at, int64_t limit) const {
    return std::find_if(starts + at, starts + limit, [&](int64_t start) { return start != starts[at]; }) - starts;
  }
  int64_t first, count;
  bool causal;
  int64_t keys;                     ///< one behind the last key that any of them sees
  const int64_t* starts = nullptr;  ///< of this row's documents
  const int64_t* ends = nullptr;    ///< of their prefixes
  int64_t from = 0;
  int64_t width = 0;  ///< keys from `from` on, padded
};

/// Zeroes dropped probabilities (or their gradients) and scales the others.
void drop(const PackedAttention& io, const Shape& shape, int64_t row, int64_t head, const Rows& rows, float* p) {
  if (io.dropout.p == 0.0) return;
  std::vector<uint8_t> keep(shape.s);
  const int64_t global = (io.dropout.first_row + row) * io.dropout.heads + io.dropout.first_head + head;
  for (int64_t i = 0; i < rows.count; ++i) {
    parallel::fill_keep_mask(io.dropout.key, static_cast<uint64_t>((global * shape.s + rows.first + i) * shape.s),
                             static_cast<float>(io.dropout.p), keep);
    keep_row(p + i * shape.keys, keep.data() + rows.from, static_cast<float>(1.0 / (1.0 - io.dropout.p)),
             rows.keys - rows.from);
  }
}

int64_t forward_memory(const Shape& shape) {
  return 3 * shape.block() + shape.wide * shape.keys + kQueries * shape.keys;
}

void forward_of(PackedAttention& io, const Shape& shape, int64_t row, int64_t kv, float* memory) {
  const int64_t all = shape.heads + 2 * shape.kv_heads, block = shape.block();
  float *q = memory, *v = q + block, *out = v + block, *kt = out + block, *p = kt + shape.wide * shape.keys;
  shape.read(io.qkv, all, row, shape.heads + kv, out);
  transpose(shape.s, shape.wide, out, shape.wide, kt, shape.keys);
  shape.read(io.qkv, all, row, shape.heads + shape.kv_heads + kv, v);
  for (int64_t head = kv * shape.group; head < (kv + 1) * shape.group; ++head) {
    float* lse = io.lse.mutable_data_ptr<float>() + (row * shape.heads + head) * shape.s;
    shape.read(io.qkv, all, row, head, q);
    scale_row(q, 1.0f / std::sqrt(static_cast<float>(shape.d)), block);
    for (int64_t first = 0; first < shape.s; first += kQueries) {
      const Rows rows(first, shape, io, row);
      small_gemm(rows.count, rows.width, shape.d, {q + first * shape.wide, shape.wide, 1},
                 {kt + rows.from, shape.keys, 1}, p, shape.keys, false);
      for (int64_t i = 0; i < rows.count; ++i) lse[first + i] = exp_row(p + i * shape.keys, rows.seen(i), rows.width);
      drop(io, shape, row, head, rows, p);
      small_gemm(rows.count, shape.wide, rows.keys - rows.from, {p, shape.keys, 1},
                 {v + rows.from * shape.wide, shape.wide, 1}, out + first * shape.wide, shape.wide, false);
    }
    shape.write(out, io.y, shape.heads, row, head);
  }
}

int64_t backward_memory(const Shape& shape) {
  return 6 * shape.block() + 2 * shape.wide * shape.keys + 3 * kQueries * shape.keys;
}

void backward_of(const PackedAttention& io, const Shape& shape, const Gradients& gradients, int64_t row, int64_t kv,
                 float* memory) {
  const int64_t all = shape.heads + 2 * shape.kv_heads, block = shape.block(), wide = shape.wide, keys = shape.keys;
  const float scale = 1.0f / std::sqrt(static_cast<float>(shape.d));
  float *q = memory, *k = q + block, *dout = k + block, *dq = dout + block, *dk = dq + block;
  float *dv = dk + block, *kt = dv + block, *vt = kt + wide * keys, *p = vt + wide * keys, *dp = p + kQueries * keys;
  float* dropped = io.dropout.p == 0.0 ? p : dp + kQueries * keys;
  std::fill(dk, dk + 2 * block, 0.0f);
  shape.read(io.qkv, all, row, shape.heads + shape.kv_heads + kv, k);
  transpose(shape.s, wide, k, wide, vt, keys);
  shape.read(io.qkv, all, row, shape.heads + kv, k);
  transpose(shape.s, wide, k, wide, kt, keys);
  for (int64_t head = kv * shape.group; head < (kv + 1) * shape.group; ++head) {
    const float* lse = io.lse.const_data_ptr<float>() + (row * shape.heads + head) * shape.s;
    shape.read(io.qkv, all, row, head, q);
    scale_row(q, scale, block);
    shape.read(gradients.dy, shape.heads, row, head, dout);
    for (int64_t first = 0; first < shape.s; first += kQueries) {
      const Rows rows(first, shape, io, row);
      const int64_t at = first * wide, from = rows.from * wide, seen = rows.keys - rows.from;
      small_gemm(rows.count, rows.width, shape.d, {q + at, wide, 1}, {kt + rows.from, keys, 1}, p, keys, false);
      for (int64_t i = 0; i < rows.count; ++i) probability_row(p + i * keys, lse[first + i], rows.seen(i), rows.width);
      small_gemm(rows.count, rows.width, shape.d, {dout + at, wide, 1}, {vt + rows.from, keys, 1}, dp, keys, false);
      if (dropped != p) std::copy(p, p + rows.count * keys, dropped);
      drop(io, shape, row, head, rows, dropped);
      drop(io, shape, row, head, rows, dp);
      small_gemm(seen, wide, rows.count, {dropped, 1, keys}, {dout + at, wide, 1}, dv + from, wide, true);
      for (int64_t i = 0; i < rows.count; ++i) {
        score_gradient_row(p + i * keys, dp + i * keys, dot_row(p + i * keys, dp + i * keys, rows.width), rows.width);
      }
      small_gemm(rows.count, wide, seen, {dp, keys, 1}, {k + from, wide, 1}, dq + at, wide, false);
      small_gemm(seen, wide, rows.count, {dp, 1, keys}, {q + at, wide, 1}, dk + from, wide, true);
    }
    scale_row(dq, scale, block);
    shape.write(dq, gradients.dqkv, all, row, head);
  }
  shape.write(dk, gradients.dqkv, all, row, shape.heads + kv);
  shape.write(dv, gradients.dqkv, all, row, shape.heads + shape.kv_heads + kv);
}

/// Rows and key heads are independent, so that the number of threads changes no bit.
template <class Work>
void for_key_heads(const Shape& shape, int64_t memory, const Work& work) {
  at::parallel_for(0, shape.b * shape.kv_heads, 1, [&](int64_t first, int64_t last) {
    const auto scratch = std::make_unique_for_overwrite<float[]>(static_cast<std::size_t>(memory));
    for (int64_t i = first; i < last; ++i) work(i / shape.kv_heads, i % shape.kv_heads, scratch.get());
  });
}

}  // namespace

void packed_attention_forward_cpu(PackedAttention& io) {
  const Shape shape(io);
  for_key_heads(shape, forward_memory(shape),
                [&](int64_t row, int64_t kv, float* memory) { forward_of(io, shape, row, kv, memory); });
}

void packed_attention_backward_cpu(const PackedAttention& io, const at::Tensor& dy, at::Tensor& dqkv) {
  const Shape shape(io);
  const Gradients gradients{dy, dqkv};
  for_key_heads(shape, backward_memory(shape),
                [&](int64_t row, int64_t kv, float* memory) { backward_of(io, shape, gradients, row, kv, memory); });
}

}  // namespace bessemer::models::ops
