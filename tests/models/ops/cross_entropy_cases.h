#pragma once
#include <ATen/CPUGeneratorImpl.h>

#include "models/ops/cross_entropy.h"
#include "tests/models/ops/compare.h"

namespace bessemer::models::ops {

struct CrossEntropyCase {
  int64_t rows, vocab;
  bool masked;
};

inline at::Tensor cross_entropy_reference(const at::Tensor& logits, const at::Tensor& targets, const at::Tensor& mask) {
  const auto losses = at::logsumexp(logits, 1) - logits.gather(1, targets.unsqueeze(1)).squeeze(1);
  return mask.defined() ? (losses * mask).sum() : losses.sum();
}

/// One rank's part: our columns and their padding, checked against those columns of the whole in fp64.
inline void check_cross_entropy(const CrossEntropyCase& shape, at::ScalarType dtype, at::Device device,
                                const parallel::Group& tp) {
  auto same = at::make_generator<at::CPUGeneratorImpl>(11);  // on every rank; the global one is shared by threads
  auto whole =
      (4.0 * at::randn({shape.rows, shape.vocab}, same, at::kDouble)).to(dtype).to(at::kDouble).requires_grad_();
  const auto targets = at::randint(0, shape.vocab, {shape.rows}, same, at::kLong);
  const auto mask = shape.masked ? at::rand({shape.rows}, same, at::kFloat).ge(0.3).to(at::kFloat) * 0.5 : at::Tensor();
  const auto want = cross_entropy_reference(whole, targets, mask);
  (want * 3.0).backward();

  const int64_t columns = (shape.vocab + tp.size() - 1) / tp.size() + 3;  // rounded up, and padding on every rank
  const int64_t begin = std::min<int64_t>(tp.rank() * columns, shape.vocab);
  const int64_t valid = std::min<int64_t>(columns - (tp.size() == 1 ? 3 : 0), shape.vocab - begin);
  auto logits = at::full({shape.rows, columns}, 50.0, dtype);  // would win every maximum if padding counted
  logits.narrow(1, 0, valid).copy_(whole.detach().narrow(1, begin, valid));
  logits = logits.to(device).requires_grad_();
  auto input = logits * 1;  // backward overwrites it: not the leaf's own memory
  const auto loss = cross_entropy(input, targets.to(device), mask.defined() ? mask.to(device) : mask, begin, valid, tp);
  EXPECT_EQ(loss.scalar_type(), at::kFloat);
  EXPECT_NEAR(loss.item<double>(), want.item<double>(), 1e-5 * std::abs(want.item<double>()));
  const auto memory = input.data_ptr();
  input.register_hook(
      [memory](const at::Tensor& gradient) { EXPECT_EQ(gradient.data_ptr(), memory) << "a second [n, v] tensor"; });
  (loss * 3.0).backward();
  expect_close(logits.grad().narrow(1, 0, valid), whole.grad().narrow(1, begin, valid), tolerance(dtype), "gradient");
  EXPECT_EQ(logits.grad().narrow(1, valid, columns - valid).abs().sum().item<double>(), 0.0);
}

inline void check_cross_entropies(at::Device device, const parallel::Group& tp) {
  for (auto dtype : dtypes()) {
    for (bool masked : {false, true}) {
      for (auto [rows, vocab] : {std::pair{1, 1}, {5, 7}, {33, 65}, {4, 1003}}) {
        check_cross_entropy({rows, vocab, masked}, dtype, device, tp);
      }
    }
  }
}

}  // namespace bessemer::models::ops
