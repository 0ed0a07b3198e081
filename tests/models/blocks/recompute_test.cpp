#include "models/blocks/recompute.h"

#include <gtest/gtest.h>

#include "models/bert.h"
#include "models/gpt.h"
#include "tests/support/gpt_run.h"

namespace bessemer::models {
namespace {

using tests::bert_like;
using tests::gpt2_like;
using tests::llama_like;

struct Bits {
  at::Tensor loss;
  std::vector<at::Tensor> gradients;
};

Bits forward_and_backward(ModelOptions o, Recompute recompute, at::ScalarType dtype, const parallel::Grid& grid = {},
                          bool sequence_parallel = false) {
  o.recompute = recompute;
  const auto model = make_model(o, grid, sequence_parallel);
  allocate(*model, dtype, at::kCPU);
  for (auto* p : model->parameters()) {
    auto values = at::empty(p->local_shape, at::kFloat);
    initialize(*p, 7, values);
    p->value.copy_(values);
    p->value.set_requires_grad(true);
    p->value.mutable_grad() = at::zeros_like(p->value);  // operators add into it, as in training
  }
  const auto loss = model->loss(tests::gpt_batch(o, 3, 5), {11, 2, true});
  loss.sum.backward();
  Bits bits{loss.sum.detach(), {}};
  for (auto* p : model->parameters()) bits.gradients.push_back(p->value.grad());
  return bits;
}

void expect_same(const Bits& a, const Bits& b) {
  EXPECT_TRUE(at::equal(a.loss, b.loss));
  ASSERT_EQ(a.gradients.size(), b.gradients.size());
  for (std::size_t i = 0; i < a.gradients.size(); ++i) {
    EXPECT_TRUE(at::equal(a.gradients[i], b.gradients[i])) << "parameter " << i;
    EXPECT_GT(a.gradients[i].abs().max().item<float>(), 0.0f) << "parameter " << i;
  }
}

std::vector<ModelOptions> shapes() {
  auto pre_norm_bert = bert_like(), windowed = llama_like();
  pre_norm_bert.norm_place = NormPlace::kPre;
  windowed.window = 5, windowed.qk_norm = true;
  return {gpt2_like(), llama_like(), windowed, bert_like(), pre_norm_bert};
}

TEST(Recompute, GivesTheSameBitsInEveryFamilyAndDtype) {
  for (const auto& shape : shapes()) {
    for (const auto dtype : {at::kFloat, at::kBFloat16, at::kHalf})
      expect_same(forward_and_backward(shape, Recompute::kNone, dtype),
                  forward_and_backward(shape, Recompute::kFull, dtype));
  }
}

TEST(Recompute, GivesThemUnderTensorAndSequenceParallelism) {
  tests::run_ranks(
      2,
      [](const parallel::Grid& grid) {
        for (const auto& shape : shapes()) {
          for (const bool sequence_parallel : {false, true})
            expect_same(forward_and_backward(shape, Recompute::kNone, at::kBFloat16, grid, sequence_parallel),
                        forward_and_backward(shape, Recompute::kFull, at::kBFloat16, grid, sequence_parallel));
        }
      },
      2);
}

/// How often the hooks of each layer were called in one forward and one backward.
std::vector<int> hook_calls(Recompute recompute, bool gradients) {
  auto o = gpt2_like();
  o.recompute = recompute;
  Gpt model(o, {}, false);
  allocate(model, at::kFloat, at::kCPU);
  for (auto* p : model.parameters()) p->value.set_requires_grad(gradients);
  std::vector<int> calls;
  for (Block* block : model.blocks()) {
    calls.push_back(0);
    const std::size_t i = calls.size() - 1;
    block->before = [&calls, i](Block&) { ++calls[i]; };
    block->after = [&calls, i](Block&) { calls[i] += 10; };
  }
  const auto loss = model.loss(tests::gpt_batch(o, 0, 2), {});
  if (gradients) loss.sum.backward();
  return calls;
}

TEST(Recompute, RunsEachLayerTwiceWithItsHooksAndOnceWithoutGradients) {
  EXPECT_EQ(hook_calls(Recompute::kNone, true), (std::vector<int>{11, 11, 11, 11}));
  EXPECT_EQ(hook_calls(Recompute::kFull, true), (std::vector<int>{11, 22, 22, 11}));
  EXPECT_EQ(hook_calls(Recompute::kFull, false), (std::vector<int>{11, 11, 11, 11}));
}

}  // namespace
}  // namespace bessemer::models
