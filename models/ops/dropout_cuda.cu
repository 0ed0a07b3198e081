#include "models/ops/launch_cuda.h"
#include "parallel/philox.h"

namespace bessemer::models::ops {
namespace {

using namespace parallel;

constexpr int kThreads = 256;

// fill_keep_mask's stream, on the device: element e is word e % 4 of counter e / 4.
struct Kept {
  uint64_t key;
  uint32_t least;
  float factor;  // 1 / (1 - p)

  __device__ void words(uint64_t counter, uint32_t (&word)[4]) const {
    uint32_t c0 = static_cast<uint32_t>(counter), c1 = static_cast<uint32_t>(counter >> 32), c2 = 0, c3 = 0;
    philox_rounds(c0, c1, c2, c3, static_cast<uint32_t>(key), static_cast<uint32_t>(key >> 32));
    word[0] = c0, word[1] = c1, word[2] = c2, word[3] = c3;
  }
  /// What N elements from e are multiplied by; N is 1, or 4 with e a multiple of 4.
  template <int N>
  __device__ void factors(uint64_t e, float (&by)[N]) const {
    uint32_t word[4];
    words(e / 4, word);
    if constexpr (N == 4) {
#pragma unroll
      for (int k = 0; k < 4; ++k) by[k] = word[k] >= least ? factor : 0.0f;
    } else {
      const uint32_t w = e % 4 == 0 ? word[0] : e % 4 == 1 ? word[1] : e % 4 == 2 ? word[2] : word[3];
      by[0] = w >= least ? factor : 0.0f;
    }
  }
};

template <class Place>
Kept kept(const Place& place) {
  return {place.key, least_kept(place.p), place.factor};
}

template <class T, int N>
__global__ void __launch_bounds__(kThreads) dropout(Kept mask, CudaDropout place, const T* x, T* y) {
  const int64_t n = place.s * place.b * place.width;
  for (int64_t at = (blockIdx.x * int64_t{kThreads} + threadIdx.x) * N; at < n;
       at += int64_t{gridDim.x} * kThreads * N) {
    const int64_t line = at / place.width, j = at % place.width, i = line / place.b, row = line % place.b;
    float value[N], by[N];
    mask.factors<N>(static_cast<uint64_t>(place.first + (row * place.positions + i) * place.width + j), by);
    load<N>(x + at, value);
    for (int k = 0; k < N; ++k) value[k] *= by[k];
    store<N>(value, y + at);
  }
}

constexpr int kRowThreads = 128;

struct Row {
  int64_t first;          // of its scores
  int least_key, keys;    // it sees none outside of [least_key, keys)
  const int64_t* starts;  // of its row of documents, or null
  int64_t own;            // where its document starts
  uint64_t element;       // of the mask's stream

  __device__ bool sees(int key) const {
    return key >= least_key && key < keys && (starts == nullptr || starts[key] == own);
  }
};

__device__ Row row_of(const CudaProbabilities& shape) {
  const int64_t line = blockIdx.x, query = line % shape.queries, head = line / shape.queries % shape.a,
                batch = line / shape.queries / shape.a;
  Row row{line * shape.keys, 0, static_cast<int>(shape.keys), nullptr, 0, 0};
  if (shape.causal) row.keys = static_cast<int>(query + shape.keys - shape.queries + 1);
  if (shape.ends != nullptr) row.keys = max(row.keys, static_cast<int>(shape.ends[batch * shape.keys + query]));
  if (shape.starts != nullptr) {
    row.starts = shape.starts + batch * shape.keys;
    row.own = row.starts[query];
    row.least_key = static_cast<int>(row.own);
    if (shape.causal) row.starts = nullptr;  // from its start to itself, a query sees all
  }
  const int64_t global = ((shape.first_row + batch) * shape.heads + shape.first_head + head) * shape.queries + query;
  row.element = static_cast<uint64_t>(global * shape.keys);
  return row;
}

// A block per query; N keys at a time.
template <class T, int N>
__global__ void __launch_bounds__(kRowThreads)
    probabilities(CudaProbabilities shape, Kept mask, const float* scores, float* lse, T* dropped) {
  __shared__ float shared[kRowThreads / 32];
  const Row row = row_of(shape);
  const float* s = scores + row.first;
  const int begin = row.least_key / N * N;
  float most = Maximum::kNone, sum = 0.0f, value[N], by[N];
  for (int j = begin + threadIdx.x * N; j < row.keys; j += kRowThreads * N) {
    load<N>(s + j, value);
    for (int k = 0; k < N; ++k) most = row.sees(j + k) ? fmaxf(most, value[k] * shape.scale) : most;
  }
  most = over_block<kRowThreads>(most, Maximum{}, shared);
  for (int j = begin + threadIdx.x * N; j < row.keys; j += kRowThreads * N) {
    load<N>(s + j, value);
    for (int k = 0; k < N; ++k) sum += row.sees(j + k) ? expf(value[k] * shape.scale - most) : 0.0f;
  }
  sum = over_block<kRowThreads>(sum, Sum{}, shared);
  const float all = most + logf(sum);
  if (threadIdx.x == 0) lse[blockIdx.x] = all;
  for (int j = threadIdx.x * N; j < shape.keys; j += kRowThreads * N) {
    for (int k = 0; k < N; ++k) by[k] = 0.0f;
    if (j + N > begin && j < row.keys) {
      load<N>(s + j, value);
      mask.factors<N>(row.element + j, by);
      for (int k = 0; k < N; ++k) by[k] = row.sees(j + k) ? by[k] * expf(value[k] * shape.scale - all) : 0.0f;
    }
    store<N>(by, dropped + row.first + j);
  }
}

template <class T, int N>
__global__ void __launch_bounds__(kRowThreads)
    probabilities_gradient(CudaProbabilities shape, Kept mask, const float* scores, const float* lse,
                           const float* ddropped, T* dscores) {
  __shared__ float shared[kRowThreads / 32];
  const Row row = row_of(shape);
  const float *s = scores + row.first, *d = ddropped + row.first;
  const float all = lse[blockIdx.x];
  const int begin = row.least_key / N * N;
  float mean = 0.0f, value[N], given[N], by[N];
  // p and the gradient of p, of N keys from j
  const auto at = [&](int j) {
    load<N>(s + j, value);
    load<N>(d + j, given);
    mask.factors<N>(row.element + j, by);
    for (int k = 0; k < N; ++k) {
      const bool seen = row.sees(j + k);
      value[k] = seen ? expf(value[k] * shape.scale - all) : 0.0f;
      given[k] = seen ? given[k] * by[k] : 0.0f;
    }
  };
  for (int j = begin + threadIdx.x * N; j < row.keys; j += kRowThreads * N) {
    at(j);
    for (int k = 0; k < N; ++k) mean += value[k] * given[k];
  }
  mean = over_block<kRowThreads>(mean, Sum{}, shared);
  for (int j = threadIdx.x * N; j < shape.keys; j += kRowThreads * N) {
    for (int k = 0; k < N; ++k) value[k] = 0.0f;
    if (j + N > begin && j < row.keys) {
      at(j);
      for (int k = 0; k < N; ++k) value[k] *= (given[k] - mean) * shape.scale;
    }
    store<N>(value, dscores + row.first + j);
  }
}

unsigned lines(const CudaProbabilities& shape) { return static_cast<unsigned>(shape.b * shape.a * shape.queries); }

}  // namespace

void dropout_cuda(const CudaDropout& place, const void* x, void* y, void* stream) {
  const int64_t n = place.s * place.b * place.width;
  if (n == 0) return;
  with_type(place.type, [&](auto zero) {
    using T = decltype(zero);
    const bool whole =
        place.width % 4 == 0 && place.first % 4 == 0 && aligned(x, 4 * sizeof(T)) && aligned(y, 4 * sizeof(T));
    const int64_t each = kThreads * (whole ? 4 : 1), blocks = (n + each - 1) / each;
    const auto kernel = whole ? dropout<T, 4> : dropout<T, 1>;
    kernel<<<static_cast<unsigned>(blocks < 132 * 32 ? blocks : 132 * 32), kThreads, 0,
             static_cast<cudaStream_t>(stream)>>>(kept(place), place, static_cast<const T*>(x), static_cast<T*>(y));
  });
  check_launch("dropout");
}

void probabilities_cuda(const CudaProbabilities& shape, const float* scores, float* lse, void* dropped, void* stream) {
  if (lines(shape) == 0) return;
  with_type(shape.type, [&](auto zero) {
    using T = decltype(zero);
    const auto kernel = shape.keys % 4 == 0 ? probabilities<T, 4> : probabilities<T, 1>;
    kernel<<<lines(shape), kRowThreads, 0, static_cast<cudaStream_t>(stream)>>>(shape, kept(shape), scores, lse,
                                                                                static_cast<T*>(dropped));
  });
  check_launch("attention probabilities");
}

void probabilities_gradient_cuda(const CudaProbabilities& shape, const float* scores, const float* lse,
                                 const float* ddropped, void* dscores, void* stream) {
  if (lines(shape) == 0) return;
  with_type(shape.type, [&](auto zero) {
    using T = decltype(zero);
    const auto kernel = shape.keys % 4 == 0 ? probabilities_gradient<T, 4> : probabilities_gradient<T, 1>;
    kernel<<<lines(shape), kRowThreads, 0, static_cast<cudaStream_t>(stream)>>>(shape, kept(shape), scores, lse,
                                                                                ddropped, static_cast<T*>(dscores));
  });
  check_launch("gradient of attention probabilities");
}

}  // namespace bessemer::models::ops
