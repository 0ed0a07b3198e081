#include "models/bert.h"

#include <gmock/gmock.h>

#include "tests/models/bert_cases.h"
#include "tests/support/thread_world.h"

namespace bessemer::models {
namespace {

using testing::HasSubstr;

void expect_equals_reference(const ModelOptions& o, const data::Batch& batch) {
  auto model = build(o);
  BertReference reference(o, weights(*model));
  const LossSum got = model->loss(batch, {});
  const auto want = reference.loss(batch);
  EXPECT_NEAR(got.sum.item<double>() / want.item<double>(), 1.0, 1e-6);
  EXPECT_EQ(got.weight, batch["predicted"].numel());
  EXPECT_EQ(got.tokens, batch["tokens"].numel());
  got.sum.backward();
  want.backward();
  Tensors gradients_of_reference;
  for (const auto& [name, w] : reference.weights())
    gradients_of_reference[name] = w.grad().defined() ? w.grad() : at::zeros_like(w);
  expect_close(gradients(*model), gradients_of_reference, 1e-5);
}

TEST(Bert, LossAndGradientsEqualThePlainModels) {
  for (const auto place : {NormPlace::kPost, NormPlace::kPre}) {
    ModelOptions o = small_bert();
    o.norm_place = place;
    expect_equals_reference(o, masked_batch(o, 3, o.sequence));
    auto batch = masked_batch(o, 3, o.sequence - 3);
    add_segments(batch);
    expect_equals_reference(o, batch);
  }
}

TEST(Bert, PairHeadAddsItsMeanLoss) {
  ModelOptions o = small_bert();
  o.pair_head = true;
  auto batch = masked_batch(o, 3, o.sequence);
  add_segments(batch);
  batch.tensors["pair_labels"] = at::tensor({1, 0, 1}, at::kLong);
  expect_equals_reference(o, batch);
  const LossSum loss = build(o)->loss(batch, {});
  ASSERT_EQ(loss.terms.size(), 4u);
  EXPECT_EQ(loss.terms[2].name, "pair_loss");
  EXPECT_EQ(loss.terms[3].weight, 3);
}

TEST(Bert, DocumentsOfARowDoNotSeeEachOther) {
  const ModelOptions o = small_bert();
  auto batch = masked_batch(o, 2, o.sequence);
  batch.tensors["starts"] = at::zeros({2, o.sequence}, at::kLong);
  batch.tensors["starts"][1].narrow(0, 5, o.sequence - 5).fill_(5);
  expect_equals_reference(o, batch);
  // Only the first document of row 1 counts; the second changes nothing, not even a bit.
  batch.tensors["loss_mask"].zero_();
  batch.tensors["loss_mask"][1][2] = 1.0;
  batch.tensors["predicted"] = at::tensor({2 * 2 + 1}, at::kLong);
  auto model = build(o);
  const float before = model->loss(batch, {}).sum.item<float>();
  batch.tensors["tokens"][1].narrow(0, 5, o.sequence - 5).fill_(1);
  EXPECT_EQ(model->loss(batch, {}).sum.item<float>(), before);
}

TEST(Bert, CountsTokensThatAreRight) {
  const ModelOptions o = small_bert();
  auto batch = masked_batch(o, 3, o.sequence);
  auto model = build(o);
  BertReference reference(o, weights(*model));
  const auto x = reference.hidden(batch);  // the logits once more, by hand
  const auto& w = reference.weights();
  const auto y = at::layer_norm(at::gelu(at::linear(x, w.at("head.transform.weight"), w.at("head.transform.bias"))),
                                {o.hidden}, w.at("head.norm.weight"), w.at("head.norm.bias"), o.norm_eps);
  const auto best = at::linear(y, w.at("embed.token.weight"), w.at("head.bias")).argmax(-1);
  batch.tensors["targets"] = best.clone();
  batch.tensors["targets"][0][0] = (best[0][0] + 1) % o.vocab;  // one wrong among the nine
  const LossSum loss = model->loss(batch, {});
  ASSERT_EQ(loss.terms.size(), 1u);
  EXPECT_EQ(loss.terms[0].name, "mlm_accuracy");
  EXPECT_EQ(loss.terms[0].sum.item<int64_t>(), 8);
  EXPECT_EQ(loss.terms[0].weight, 9);
}

TEST(Bert, NothingToPredictIsNoLossAndNoGradient) {
  const ModelOptions o = small_bert();
  auto batch = masked_batch(o, 2, o.sequence);
  batch.tensors["predicted"] = at::empty({0}, at::kLong);
  auto model = build(o);
  const LossSum loss = model->loss(batch, {});
  EXPECT_EQ(loss.weight, 0);
  loss.sum.backward();
  for (const auto& [name, g] : gradients(*model)) EXPECT_EQ(g.abs().max().item<double>(), 0.0) << name;
}

TEST(Bert, DoesNotGenerate) {
  try {
    build(small_bert())->make_cache(4);
    FAIL();
  } catch (const std::exception& error) {
    EXPECT_THAT(error.what(), HasSubstr("does not generate"));
  }
}

TEST(Bert, PresetsHaveThePublishedSizes) {
  const auto parameters = [](const char* name) {
    ModelOptions o = preset(name);
    return make_model(o, {}, false)->cost(1, at::kFloat).parameters;
  };
  // Hugging Face, BertForMaskedLM: 109,514,298 and 335,174,458; RobertaForMaskedLM: 124,697,433.
  EXPECT_EQ(parameters("bert-base"), 109514298);
  EXPECT_EQ(parameters("bert-large"), 335174458);
  EXPECT_EQ(parameters("roberta-base"), 124697433);
}

void expect_equals_one_rank(const ModelOptions& o, int tp) {
  tests::run_ranks(
      tp,
      [&](const parallel::Grid& grid) {
        auto batch = masked_batch(o, 2, o.sequence);
        add_segments(batch);
        if (o.pair_head) batch.tensors["pair_labels"] = at::tensor({1, 0}, at::kLong);
        const auto result = [&](const parallel::Grid& on, bool sequence_parallel) {
          auto model = build(o, on, sequence_parallel);
          const LossSum loss = model->loss(batch, {11, 3, true});
          loss.sum.backward();
          return std::tuple(loss.sum.item<double>(), gradients(*model, on.tp), loss.terms[0].sum.item<int64_t>());
        };
        const auto [loss, gradient, right] = result({}, false);
        for (const bool sequence_parallel : {false, true}) {
          const auto [many, many_gradient, many_right] = result(grid, sequence_parallel);
          EXPECT_NEAR(many / loss, 1.0, 1e-6) << "tp " << tp << ", sequence parallel " << sequence_parallel;
          EXPECT_EQ(many_right, right);
          expect_close(many_gradient, gradient, 1e-5);
        }
      },
      tp);
}

TEST(BertRanks, TensorParallelEqualsOneRank) {
  for (const int tp : {2, 4}) {
    expect_equals_one_rank(small_bert(), tp);
    ModelOptions o = small_bert();
    o.norm_place = NormPlace::kPre, o.pair_head = true, o.dropout = 0.2;
    expect_equals_one_rank(o, tp);
  }
}

}  // namespace
}  // namespace bessemer::models
