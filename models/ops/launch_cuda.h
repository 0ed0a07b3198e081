#pragma once
// For the operators' CUDA files.
#include <stdexcept>
#include <string>

#include "models/ops/kernels_cuda.h"
#include "parallel/elements_cuda.h"

namespace bessemer::models::ops {

using parallel::aligned;

/// Calls f(T{}) with the element type.
template <class F>
void with_type(CudaType type, F f) {
  switch (type) {
    case CudaType::kFloat: return f(float{});
    case CudaType::kBf16: return f(__nv_bfloat16{});
    case CudaType::kHalf: return f(__half{});
    case CudaType::kInt64: break;
  }
  throw std::invalid_argument("a kernel for floating numbers was given integers");
}

inline void check_launch(const char* kernel) {
  if (const auto error = cudaGetLastError(); error != cudaSuccess)
    throw std::runtime_error(std::string(kernel) + ": CUDA: " + cudaGetErrorString(error));
}

}  // namespace bessemer::models::ops
