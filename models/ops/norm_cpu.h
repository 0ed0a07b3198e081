#pragma once
#include <ATen/core/Tensor.h>

namespace bessemer::models::ops {

/// On contiguous CPU tensors of `rows` rows; undefined tensors are skipped. `stats` is fp32 [2, rows]: mean, 1 /
/// deviation.
struct NormForward {
  bool centered = true;  ///< LayerNorm; else RMSNorm (mean 0)
  double eps = 0.0;
  at::Tensor residual{}, x{};      ///< residual may be undefined
  at::Tensor weight{}, bias{};     ///< bias may be undefined
  at::Tensor sum{}, y{}, stats{};  ///< written; sum only with a residual
};
void norm_forward_cpu(NormForward& io);

struct NormBackward {
  bool centered = true;
  at::Tensor x{}, weight{}, stats{};
  at::Tensor dy{}, dsum{};        ///< dsum (the gradient of the sum itself) may be undefined
  at::Tensor dx{};                ///< written
  at::Tensor dweight{}, dbias{};  ///< written, fp32 [h]
};
void norm_backward_cpu(NormBackward& io);

}  // namespace bessemer::models::ops
