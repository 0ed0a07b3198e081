#include "models/blocks/vocabulary.h"

#include "models/blocks/linear.h"
#include "models/ops/embedding.h"
#include "models/ops/linear.h"

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
