#include "models/ops/cross_entropy.h"

#include <limits>

#include "models/ops/gradient.h"

namespace bessemer::models::ops {

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::tensor_list;

struct CrossEntropy : torch::autograd::Function<CrossEntropy> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& logits, const at::Tensor& targets,
                            const std::optional<at::Tensor>& mask, int64_t vocab_begin, int64_t vocab_valid, const parallel::Group& tp) {
    const auto loss_mask = mask.value_or(at::Tensor());
    const int64_t n = logits.size(0);
    const auto real = logits.narrow(1, 0, vocab_valid).to(at::kFloat);  // [n, valid]
    auto top = vocab_valid > 0 ? real.amax(1) : at::full({n}, -std::numeric_limits<float>::infinity(), real.options());
    tp.all_reduce(top, parallel::ReduceOp::kMax);
    const auto local = targets - vocab_begin;
    const auto ours = at::logical_and(local.ge(0), local.lt(vocab_valid));
    const auto index = at::where(ours, local, 0);
    auto sums = at::zeros({2, n}, real.options());  // sum of exponentials, target logit
    if (vocab_valid > 0) {
      sums[0].copy_((real - top.unsqueeze(1)).exp_().sum(1));
      sums[1].copy_(at::where(ours, real.gather(1, index.unsqueeze(1)).squeeze(1), 0.0));
    }
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
    const int64_t begin = ctx->saved_data["vocab_begin"].toInt();
    const int64_t valid = ctx->saved_data["vocab_valid"].toInt();
    auto dlogits = saved[0].detach();
    const auto local = saved[1] - begin;
    auto scale = gradients[0].expand_as(saved[3]);
    if (saved[2].defined()) scale = scale * saved[2];
    auto p = (dlogits.narrow(1, 0, valid).to(at::kFloat) - saved[3].unsqueeze(1)).exp_();
    p.sub_(at::arange(valid, local.options()).unsqueeze(0).eq(local.unsqueeze(1)).to(at::kFloat));
    dlogits.narrow(1, 0, valid).copy_(p * scale.unsqueeze(1));
    dlogits.narrow(1, valid, dlogits.size(1) - valid).zero_();
    return {dlogits, {}, {}, {}, {}, {}};
  }
};

}  // namespace

at::Tensor cross_entropy(const at::Tensor& logits, const at::Tensor& targets, const at::Tensor& loss_mask,
                         int64_t vocab_begin, int64_t vocab_valid, const parallel::Group& tp) {
  return CrossEntropy::apply(logits, targets, maybe(loss_mask), vocab_begin, vocab_valid, tp);
}

}  // namespace bessemer::models::ops
