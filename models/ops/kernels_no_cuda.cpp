#include <cstdlib>

#include "models/ops/kernels_cuda.h"

namespace bessemer::models::ops {

void norm_forward_cuda(const CudaNorm&, void*) { std::abort(); }
int64_t norm_gradient_blocks(int64_t) { std::abort(); }
void norm_backward_cuda(const CudaNormGradient&, void*) { std::abort(); }
void row_maximum_cuda(const CudaLogits&, float*, void*) { std::abort(); }
void row_sums_cuda(const CudaLogits&, const float*, float*, void*) { std::abort(); }
void logits_to_gradient_cuda(const CudaLogits&, const float*, const float*, void*) { std::abort(); }
void column_sums_cuda(CudaType, const void*, int64_t, int64_t, float*, void*) { std::abort(); }
void dropout_cuda(const CudaDropout&, const void*, void*, void*) { std::abort(); }
void probabilities_cuda(const CudaProbabilities&, const float*, float*, void*, void*) { std::abort(); }
void probabilities_gradient_cuda(const CudaProbabilities&, const float*, const float*, const float*, void*, void*) {
  std::abort();
}

}  // namespace bessemer::models::ops
