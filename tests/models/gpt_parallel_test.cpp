// One rank against several: tensor parallelism, with and without sequence parallelism, changes no result.
#include <gtest/gtest.h>

#include "models/generate.h"
#include "tests/models/gpt_cases.h"
#include "tests/support/thread_world.h"

namespace bessemer::models {

namespace {

struct Result {
  double loss = 0.0;
  Tensors gradients;
};

Result train(const ModelOptions& o, const parallel::Grid& grid, bool sequence_parallel, const data::Batch& batch) {
  auto model = build(o, grid, sequence_parallel);
  const LossSum loss = model->loss(batch, {11, 3, true});
  loss.sum.backward();
  return {loss.sum.item<double>(), gradients(*model, grid.tp)};
}

void expect_equals_one_rank(const ModelOptions& o, int tp) {
  tests::run_ranks(
      tp,
      [&](const parallel::Grid& grid) {
        auto batch = random_batch(o, 2, o.sequence);
        for (const bool documents : {false, true}) {
          if (documents) {  // one of 5 tokens and the rest, in the second row
            batch.tensors["starts"] = at::zeros({2, o.sequence}, at::kLong);
            batch.tensors["starts"][1].narrow(0, 5, o.sequence - 5).fill_(5);
          }
          const Result one = train(o, {}, false, batch);
          for (const bool sequence_parallel : {false, true}) {
            const Result many = train(o, grid, sequence_parallel, batch);
            EXPECT_NEAR(many.loss / one.loss, 1.0, 1e-6)
                << "tp " << tp << ", sequence parallel " << sequence_parallel << ", documents " << documents;
            expect_close(many.gradients, one.gradients, 1e-5);
          }
        }
      },
      tp);
}

ModelOptions gpt2() {
  ModelOptions o = small();
  o.bias = true, o.activation = Activation::kGeluTanh;
  return o;
}

ModelOptions llama() {
  ModelOptions o = small();
  o.position = Position::kRotary, o.norm = Norm::kRmsNorm, o.activation = Activation::kSwiglu, o.kv_heads = 2,
  o.tied = false;
  return o;
}

}  // namespace

TEST(GptRanks, TensorParallelGpt2EqualsOneRank) {
  for (const int tp : {2, 4}) expect_equals_one_rank(gpt2(), tp);
}

TEST(GptRanks, TensorParallelLlamaEqualsOneRank) { expect_equals_one_rank(llama(), 2); }

TEST(GptRanks, AVocabularySmallerThanTheRanksSplits) {
  ModelOptions o = small();
  o.vocab = 5;  // padded to 8: the last rank holds padding alone
  expect_equals_one_rank(o, 4);
}

TEST(GptRanks, DropoutIsTheSameOnEveryLayout) {
  ModelOptions o = gpt2();
  o.dropout = 0.2;
  for (const int tp : {2, 4}) expect_equals_one_rank(o, tp);
}

TEST(GptRanks, InitialWeightsAreTheSameBits) {
  for (const int tp : {2, 4}) {
    tests::run_ranks(
        tp,
        [&](const parallel::Grid& grid) {
          ModelOptions o = gpt2();
          const Tensors one = weights(*build(o)), many = weights(*build(o, grid), grid.tp);
          ASSERT_EQ(one.size(), many.size());
          for (const auto& [name, w] : one) EXPECT_TRUE(at::equal(w, many.at(name))) << name;
        },
        tp);
  }
}

TEST(GptRanks, SpeakTheSameTextAsOne) {
  for (const int tp : {2, 4}) {
    tests::run_ranks(
        tp,
        [&](const parallel::Grid& grid) {
          ModelOptions o = gpt2();
          o.init_std = 0.05;
          SamplingOptions sampling;
          sampling.tokens = 40;
          const std::vector<int64_t> prompt = {1, 2, 3};
          EXPECT_EQ(generate(*build(o, grid, true), prompt, sampling), generate(*build(o), prompt, sampling));
        },
        tp);
  }
}

}  // namespace bessemer::models
