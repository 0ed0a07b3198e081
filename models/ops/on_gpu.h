#pragma once
#include <ATen/core/Tensor.h>

#include "models/ops/kernels_cuda.h"
#include "parallel/device.h"

namespace bessemer::models::ops {

inline CudaType cuda_type(const at::Tensor& x) {
  return x.scalar_type() == at::kBFloat16 ? CudaType::kBf16
         : x.scalar_type() == at::kHalf   ? CudaType::kHalf
                                          : CudaType::kFloat;
}

inline void* stream_of(const at::Tensor& x) { return parallel::current_stream(x.device()); }

/// Null for an undefined tensor.
inline const void* data_of(const at::Tensor& x) { return x.defined() ? x.const_data_ptr() : nullptr; }
inline void* written(const at::Tensor& x) { return x.defined() ? x.mutable_data_ptr() : nullptr; }

}  // namespace bessemer::models::ops
