#include "models/ops/launch_cuda.h"

namespace bessemer::models::ops {
namespace {

using namespace parallel;

constexpr int kColumnThreads = 32, kRowThreads = 8;

// A block sums kStripRows rows of kColumnThreads * N columns; its kRowThreads partial sums are added in order.
template <class T, int N>
__global__ void __launch_bounds__(kColumnThreads* kRowThreads)
    column_sums(const T* x, int64_t rows, int64_t columns, float* parts) {
  __shared__ float shared[kRowThreads][kColumnThreads * N];
  const int64_t column = (blockIdx.x * int64_t{kColumnThreads} + threadIdx.x) * N;
  const int64_t first = blockIdx.y * kStripRows, end = first + kStripRows < rows ? first + kStripRows : rows;
  float sum[N] = {}, value[N];
  if (column < columns) {
    for (int64_t row = first + threadIdx.y; row < end; row += kRowThreads) {
      load<N>(x + row * columns + column, value);
      for (int k = 0; k < N; ++k) sum[k] += value[k];
    }
  }
  for (int k = 0; k < N; ++k) shared[threadIdx.y][threadIdx.x * N + k] = sum[k];
  __syncthreads();
  if (threadIdx.y != 0 || column >= columns) return;
  for (int y = 1; y < kRowThreads; ++y) {
    for (int k = 0; k < N; ++k) sum[k] += shared[y][threadIdx.x * N + k];
  }
  store<N>(sum, parts + blockIdx.y * columns + column);
}

}  // namespace

void column_sums_cuda(CudaType type, const void* x, int64_t rows, int64_t columns, float* parts, void* stream) {
  if (rows == 0 || columns == 0) return;
  with_type(type, [&](auto zero) {
    using T = decltype(zero);
    const bool fours = columns % 4 == 0 && aligned(x, 4 * sizeof(T));
    const int64_t wide = kColumnThreads * (fours ? 4 : 1);
    const dim3 grid(static_cast<unsigned>((columns + wide - 1) / wide),
                    static_cast<unsigned>((rows + kStripRows - 1) / kStripRows));
    const auto kernel = fours ? column_sums<T, 4> : column_sums<T, 1>;
    kernel<<<grid, dim3(kColumnThreads, kRowThreads), 0, static_cast<cudaStream_t>(stream)>>>(static_cast<const T*>(x),
                                                                                              rows, columns, parts);
  });
  check_launch("column sums");
}

}  // namespace bessemer::models::ops
