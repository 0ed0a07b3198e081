#include "models/ops/cross_entropy.h"

#include <limits>

#include "models/ops/cross_entropy_cpu.h"
#include "models/ops/gradient.h"

namespace bessemer::models::ops {

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::tensor_list;

void row_maximum(const at::Tensor& logits, int64_t valid, at::Tensor& top) {
  if (logits.is_cpu()) return row_maximum_cpu(logits, valid, top);
  top.fill_(-std::numeric_limits<float>::infinity());
  if (valid > 0) top.copy_(logits.narrow(1, 0, valid).amax(1));
}

void row_sums(const at::Tensor& logits, int64_t valid, const at::Tensor& top, const at::Tensor& targets, int64_t begin,
              at::Tensor& sums) {
  if (logits.is_cpu()) return row_sums_cpu(logits, valid, top, targets, begin, sums);
  sums.zero_();
  if (valid == 0) return;
  const auto real = logits.narrow(1, 0, valid).to(at::kFloat);
  const auto local = targets - begin;
  const auto ours = at::logical_and(local.ge(0), local.lt(valid));
  sums[0].copy_((real - top.unsqueeze(1)).exp_().sum(1));
  sums[1].copy_(at::where(ours, real.gather(1, at::where(ours, local, 0).unsqueeze(1)).squeeze(1), 0.0));
}

void logits_to_gradient(at::Tensor& logits, int64_t valid, const at::Tensor& lse, const at::Tensor& targets,
                        int64_t begin, const at::Tensor& scale) {
  if (logits.is_cpu()) return logits_to_gradient_cpu(logits, valid, lse, targets, begin, scale);
  auto p = (logits.narrow(1, 0, valid).to(at::kFloat) - lse.unsqueeze(1)).exp_();
  p.sub_(at::arange(valid, targets.options()).unsqueeze(0).eq((targets - begin).unsqueeze(1)).to(at::kFloat));
  logits.narrow(1, 0, valid).copy_(at::where(scale.ne(0).unsqueeze(1), p * scale.unsqueeze(1), 0.0));
  logits.narrow(1, valid, logits.size(1) - valid).zero_();
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
