#include "models/ops/cross_entropy.h"

#include "models/ops/cross_entropy_cpu.h"
#include "models/ops/gradient.h"
#include "models/ops/on_gpu.h"

namespace bessemer::models::ops {

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::tensor_list;

CudaLogits on_gpu(const at::Tensor& logits, int64_t valid, const at::Tensor& targets, int64_t begin) {
  return {cuda_type(logits),
          written(logits),
          logits.size(0),
          logits.size(1),
          valid,
          targets.defined() ? targets.const_data_ptr<int64_t>() : nullptr,
          begin};
}

void row_maximum(const at::Tensor& logits, int64_t valid, at::Tensor& top) {
  if (logits.is_cpu()) return row_maximum_cpu(logits, valid, top);
  row_maximum_cuda(on_gpu(logits, valid, {}, 0), top.mutable_data_ptr<float>(), stream_of(logits));
}

void row_sums(const at::Tensor& logits, int64_t valid, const at::Tensor& top, const at::Tensor& targets, int64_t begin,
              at::Tensor& sums) {
  if (logits.is_cpu()) return row_sums_cpu(logits, valid, top, targets, begin, sums);
  row_sums_cuda(on_gpu(logits, valid, targets, begin), top.const_data_ptr<float>(), sums.mutable_data_ptr<float>(),
                stream_of(logits));
}

void logits_to_gradient(at::Tensor& logits, int64_t valid, const at::Tensor& lse, const at::Tensor& targets,
                        int64_t begin, const at::Tensor& scale) {
  if (logits.is_cpu()) return logits_to_gradient_cpu(logits, valid, lse, targets, begin, scale);
  const auto factor = scale.to(at::kFloat).contiguous();
  logits_to_gradient_cuda(on_gpu(logits, valid, targets, begin), lse.const_data_ptr<float>(),
                          factor.const_data_ptr<float>(), stream_of(logits));
}

struct CrossEntropy : torch::autograd::Function<CrossEntropy> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& logits, const at::Tensor& targets,
                            const std::optional<at::Tensor>& mask, int64_t vocab_begin, int64_t vocab_valid,
                            const parallel::Group& tp) {
    const int64_t n = logits.size(0);
    const auto loss_mask = mask.value_or(at::Tensor());
    const auto options = logits.options().dtype(at::kFloat);
    auto top = at::empty({n}, options);
    row_maximum(logits, vocab_valid, top);
    tp.all_reduce(top, parallel::ReduceOp::kMax);
    auto sums = at::empty({2, n}, options);
    row_sums(logits, vocab_valid, top, targets, vocab_begin, sums);
    tp.all_reduce(sums);
    const auto lse = sums[0].log() + top;
    auto losses = lse - sums[1];
    if (loss_mask.defined()) losses = at::where(loss_mask.ne(0), losses * loss_mask, 0.0);
    ctx->save_for_backward({logits, targets, loss_mask, lse});
    ctx->saved_data["vocab_begin"] = vocab_begin;
    ctx->saved_data["vocab_valid"] = vocab_valid;
    return losses.sum();
  }

  static tensor_list backward(AutogradContext* ctx, const tensor_list& gradients) {
    const auto saved = ctx->get_saved_variables();
    auto logits = saved[0].detach();
    const auto scale = saved[2].defined() ? gradients[0] * saved[2] : gradients[0].expand_as(saved[3]).contiguous();
    logits_to_gradient(logits, ctx->saved_data["vocab_valid"].toInt(), saved[3], saved[1],
                       ctx->saved_data["vocab_begin"].toInt(), scale);
    return {logits, {}, {}, {}, {}, {}};
  }
};

}  // namespace

at::Tensor cross_entropy(const at::Tensor& logits, const at::Tensor& targets, const at::Tensor& loss_mask,
                         int64_t vocab_begin, int64_t vocab_valid, const parallel::Group& tp) {
  return CrossEntropy::apply(logits.contiguous(), targets.contiguous(), maybe(loss_mask), vocab_begin, vocab_valid, tp);
}

}  // namespace bessemer::models::ops
