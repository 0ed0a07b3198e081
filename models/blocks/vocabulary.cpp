#include "models/blocks/vocabulary.h"

#include <limits>

#include "models/blocks/linear.h"
#include "models/ops/embedding.h"
#include "models/ops/linear.h"
#include "parallel/collectives.h"

namespace bessemer::models {

VocabularyMatrix::VocabularyMatrix(const std::string& name, const ModelOptions& o, const parallel::Group& tp)
    : tp_(tp), vocab_(o.vocab), slice_(vocabulary_slice(o.vocab, tp)),
      weight_(split_vocabulary(name, o.vocab, o.hidden, {Init::kNormal, o.init_std}, tp)) {}

at::Tensor VocabularyMatrix::embed(const Pass& pass) const {
  return leave_tensor_parallel(ops::embedding(pass.tokens, weight_.value, slice_.begin), pass, tp_);
}

at::Tensor VocabularyMatrix::logits(const at::Tensor& x, const Pass& pass) const {
  return ops::linear(enter_tensor_parallel(x, pass, tp_), weight_.value);
}

at::Tensor VocabularyMatrix::logits_of(const at::Tensor& x, const at::Tensor& bias) const {
  return ops::linear(parallel::copy_to(x, tp_), weight_.value, bias);
}

at::Tensor VocabularyMatrix::hits(const at::Tensor& logits, const at::Tensor& targets) const {
  const at::NoGradGuard no_gradients;
  const float none = -std::numeric_limits<float>::infinity();
  auto both = at::full({2, targets.size(0)}, none, logits.options().dtype(at::kFloat));
  if (slice_.valid > 0 && targets.size(0) > 0) {
    const auto real = logits.detach().narrow(1, 0, slice_.valid);
    const auto local = targets - slice_.begin;
    const auto ours = local.ge(0).logical_and(local.lt(slice_.valid));
    both[0].copy_(real.amax(1));
    const auto of_target = real.gather(1, at::where(ours, local, 0).unsqueeze(1)).squeeze(1).to(at::kFloat);
    both[1].copy_(at::where(ours, of_target, none));
  }
  tp_.all_reduce(both, parallel::ReduceOp::kMax);
  return both[0].eq(both[1]).sum();
}

at::Tensor VocabularyMatrix::gather(const at::Tensor& logits) const {
  at::Tensor part = logits.to(at::kFloat).t().contiguous();  // [v / tp, b]
  at::Tensor whole = part;
  if (tp_.size() > 1) {
    whole = at::empty({part.size(0) * tp_.size(), part.size(1)}, part.options());
    tp_.all_gather(part, whole);
  }
  return whole.narrow(0, 0, vocab_).t().contiguous();  // padding is at the end of the last ranks
}

}  // namespace bessemer::models
