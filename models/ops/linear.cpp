#include "models/ops/linear.h"

#include <ATen/cpu/Utils.h>

#include "models/ops/cpu_convert.h"
#include "models/ops/gradient.h"
#include "models/ops/on_gpu.h"

namespace bessemer::models::ops {

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::tensor_list;

bool through_fp32(const at::Tensor& x) { return products_through_fp32(x.device(), x.scalar_type()); }

at::Tensor rows_of(const at::Tensor& x) { return x.reshape({-1, x.size(-1)}); }  // [rows, in]

/// x as products want it.
at::Tensor operand(const at::Tensor& x) { return through_fp32(x) ? widened(x) : x; }

/// a b + bias in the dtype `type`; a and b are operands.
at::Tensor product(const at::Tensor& a, const at::Tensor& b, const at::Tensor& bias, at::ScalarType type) {
  const auto y = bias.defined() ? at::addmm(operand(bias), a, b) : at::mm(a, b);
  return y.scalar_type() == type ? y : narrowed(y, type);
}

/// sum += a b
void add_product(at::Tensor sum, const at::Tensor& a, const at::Tensor& b) {
  if (a.scalar_type() == sum.scalar_type()) {
    at::addmm_out(sum, sum, a, b);
  } else {
    add_rounded(sum, at::mm(a, b));
  }
}

/// fp32 [columns]
at::Tensor column_sums(const at::Tensor& x) {
  if (x.is_cpu()) return at::sum(x, {0}, false, at::kFloat);
  const auto from = x.contiguous();
  const int64_t rows = x.size(0), columns = x.size(1);
  const auto parts = at::empty({(rows + kStripRows - 1) / kStripRows, columns}, x.options().dtype(at::kFloat));
  column_sums_cuda(cuda_type(from), data_of(from), rows, columns, parts.mutable_data_ptr<float>(), stream_of(from));
  return parts.size(0) == 1 ? parts[0] : parts.sum(0);
}

struct Linear : torch::autograd::Function<Linear> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& weight,
                            const std::optional<at::Tensor>& maybe_bias) {
    const auto bias = maybe_bias.value_or(at::Tensor());
    ctx->save_for_backward({x, weight, bias});
    auto shape = x.sizes().vec();
    shape.back() = weight.size(0);
    return product(operand(rows_of(x)), operand(weight).t(), bias, x.scalar_type()).view(shape);
  }

  static tensor_list backward(AutogradContext* ctx, const tensor_list& gradients) {
    const auto saved = ctx->get_saved_variables();
    const auto& [x, weight, bias] = std::tie(saved[0], saved[1], saved[2]);
    const auto type = x.scalar_type();
    const auto given = rows_of(gradients[0]), dy = operand(given);  // [rows, out]
    at::Tensor dx, dweight, dbias;
    if (ctx->needs_input_grad(0)) dx = product(dy, operand(weight), {}, type).view(x.sizes());
    if (ctx->needs_input_grad(1)) {
      const auto rows = operand(rows_of(x));
      if (accumulates_in_place(weight)) {
        add_product(weight.grad(), dy.t(), rows);
      } else {
        dweight = product(dy.t(), rows, {}, type);
      }
    }
    if (bias.defined() && ctx->needs_input_grad(2)) dbias = hand_over(bias, column_sums(dy));
    return {dx, dweight, dbias};
  }
};

}  // namespace

// Measured on a Xeon with avx512_bf16 but no AMX, one core, 768 x 128 x 128: fp32 160 GFLOP/s, bf16 by oneDNN 78, bf16
// through fp32 with its conversions 126 (vdpbf16ps itself reaches 89, half of what fp32's vfmadd231ps does). The sums
// are fp32 either way.
bool products_through_fp32(at::Device device, at::ScalarType dtype) {
  static const bool tiles = at::cpu::init_amx();  // asks the kernel for them, once
  return device.is_cpu() && dtype != at::kFloat && !tiles;
}

at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  return Linear::apply(x, weight, maybe(bias));
}

}  // namespace bessemer::models::ops
