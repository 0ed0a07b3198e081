#include "models/gpt.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "models/ops/linear.h"
#include "parallel/error.h"
#include "tests/models/gpt_cases.h"

namespace bessemer::models {

namespace {

struct Case {
  const char* name;
  ModelOptions options;
};

Case variant(const char* name, void (*change)(ModelOptions&)) {
  Case c{name, small()};
  change(c.options);
  return c;
}

std::vector<Case> cases() {
  return {
      variant("Nanogpt", [](ModelOptions&) {}),
      variant("Gpt2", [](ModelOptions& o) { o.bias = true, o.activation = Activation::kGeluTanh; }),
      variant("Llama",
              [](ModelOptions& o) {
                o.position = Position::kRotary, o.norm = Norm::kRmsNorm, o.activation = Activation::kSwiglu,
                o.kv_heads = 2, o.tied = false;
              }),
      variant("OneKeyHeadWithBiases",
              [](ModelOptions& o) { o.kv_heads = 1, o.bias = true, o.activation = Activation::kRelu; }),
      variant("RotaryUntied", [](ModelOptions& o) { o.position = Position::kRotary, o.tied = false, o.bias = true; }),
      variant("Relu2OneLayer",
              [](ModelOptions& o) { o.activation = Activation::kRelu2, o.layers = 1, o.norm = Norm::kRmsNorm; }),
      variant("SwigluBiasOneHead",
              [](ModelOptions& o) { o.activation = Activation::kSwiglu, o.bias = true, o.heads = 1; }),
  };
}

class GptVariant : public testing::TestWithParam<Case> {};

}  // namespace

TEST_P(GptVariant, LossAndGradientsEqualThePlainModel) {
  const ModelOptions& o = GetParam().options;
  auto model = build(o);
  const Reference reference(o, weights(*model));
  for (const int64_t s : {int64_t{1}, int64_t{7}, o.sequence}) {
    const auto batch = random_batch(o, 3, s);
    for (Parameter* p : model->parameters()) p->value.mutable_grad().reset();
    for (const auto& [name, w] : reference.weights()) w.mutable_grad().reset();
    const LossSum got = model->loss(batch, {});
    const at::Tensor want = reference.loss(batch);
    EXPECT_EQ(got.weight, 3 * s);
    EXPECT_NEAR(got.sum.item<double>() / want.item<double>(), 1.0, 2e-6);
    got.sum.backward();
    want.backward();
    Tensors expected;
    for (const auto& [name, w] : reference.weights()) expected[name] = w.grad();
    expect_close(gradients(*model), expected, 1e-5);
  }
}

/// Row 1 of a batch of two holds documents of 5, 1, 4 and 2 tokens; only the document at [begin, end) counts.
data::Batch packed_batch(const ModelOptions& o, int64_t begin, int64_t end, uint64_t seed = 3) {
  auto batch = random_batch(o, 2, o.sequence, seed);
  auto starts = at::zeros({2, o.sequence}, at::kLong);
  for (const int64_t start : {5, 6, 10}) starts[1].narrow(0, start, o.sequence - start).fill_(start);
  batch.tensors["starts"] = starts;
  auto counted = at::zeros({2, o.sequence});
  counted[1].narrow(0, begin, end - begin).fill_(1);
  batch.tensors["loss_mask"] = counted;
  return batch;
}

TEST_P(GptVariant, DocumentsSideBySideAreAsEachAlone) {
  const ModelOptions& o = GetParam().options;
  auto model = build(o);
  for (Parameter* p : model->parameters()) p->value.mutable_grad().reset();
  Tensors alone;
  for (const auto& [begin, end] : std::vector<std::pair<int64_t, int64_t>>{{0, 5}, {5, 6}, {6, 10}, {10, 12}}) {
    const auto packed = packed_batch(o, begin, end);
    data::Batch one;
    for (const char* name : {"tokens", "targets"})
      one.tensors[name] = packed[name].narrow(0, 1, 1).narrow(1, begin, end - begin).contiguous();
    const LossSum want = model->loss(one, {});
    const LossSum got = model->loss(packed, {});
    EXPECT_EQ(got.weight, end - begin);
    EXPECT_NEAR(got.sum.item<double>() / want.sum.item<double>(), 1.0, 1e-5);
    want.sum.backward();
    // Another neighbour, not a bit of difference.
    auto changed = packed_batch(o, begin, end, 4);
    for (const char* name : {"tokens", "targets"})
      changed.tensors[name][1].narrow(0, begin, end - begin).copy_(packed[name][1].narrow(0, begin, end - begin));
    EXPECT_EQ(model->loss(changed, {}).sum.item<float>(), got.sum.item<float>());
  }
  alone = gradients(*model);
  for (Parameter* p : model->parameters()) p->value.mutable_grad().reset();
  model->loss(packed_batch(o, 0, 12), {}).sum.backward();
  expect_close(gradients(*model), alone, 1e-5);
}

TEST_P(GptVariant, HiddenStatesTimesTheOutputMatrixAreTheLogits) {
  const ModelOptions& o = GetParam().options;
  auto model = build(o);
  const auto batch = random_batch(o, 2, o.sequence);
  const at::Tensor hidden = model->hidden(batch), want = model->outputs(batch).at("logits");
  EXPECT_EQ(hidden.sizes(), (std::vector<int64_t>{2, o.sequence, o.hidden}));
  const auto all = weights(*model);
  const at::Tensor got = at::linear(hidden, all.at(o.tied ? "embed.token.weight" : "head.weight"));
  EXPECT_LE((got - want).abs().max().item<double>(), 1e-5 * want.abs().max().item<double>());
}

TEST_P(GptVariant, NextLogitsAreTheLastOfThePlainModelHoweverTheTokensCome) {
  const ModelOptions& o = GetParam().options;
  auto model = build(o);
  const Reference reference(o, weights(*model));
  const at::Tensor tokens = random_batch(o, 2, o.sequence)["tokens"];
  const auto first = model->make_cache(o.sequence), second = model->make_cache(o.sequence);
  int64_t seen = 0;
  for (const int64_t n : {5, 1, 1, 3, 2}) {
    const at::Tensor got = model->next_logits(tokens.narrow(1, seen, n), {first.get(), second.get()});
    seen += n;
    const at::Tensor want = reference.logits(tokens.narrow(1, 0, seen)).select(1, seen - 1);
    ASSERT_EQ(got.sizes(), want.sizes());
    EXPECT_LE((got - want).abs().max().item<double>(), 1e-5 * want.abs().max().item<double>()) << seen;
  }
  EXPECT_THROW(model->next_logits(tokens.narrow(1, 0, 1), {first.get(), second.get()}), Error);
  EXPECT_THROW(model->next_logits(tokens.narrow(1, 0, 1), {model->make_cache(o.sequence).get()}), Error);
}

TEST_P(GptVariant, RowsOfAnyLengthsGoOnTogetherAsEachAlone) {
  const ModelOptions& o = GetParam().options;
  auto model = build(o);
  const at::Tensor tokens = random_batch(o, 3, o.sequence)["tokens"];
  const std::vector<int64_t> lengths{1, 7, 4};
  std::vector<std::unique_ptr<Cache>> together, alone;
  std::vector<Cache*> all;
  for (int64_t row = 0; row < 3; ++row) {
    for (auto* caches : {&together, &alone}) {
      caches->push_back(model->make_cache(o.sequence));
      const auto n = lengths[static_cast<size_t>(row)];
      model->next_logits(tokens.narrow(0, row, 1).narrow(1, 0, n), {caches->back().get()});
    }
    all.push_back(together.back().get());
  }
  for (int64_t i = 0; i < 4; ++i) {
    std::vector<at::Tensor> next;
    for (int64_t row = 0; row < 3; ++row)
      next.push_back(tokens.narrow(0, row, 1).narrow(1, lengths[static_cast<size_t>(row)] + i, 1));
    const at::Tensor got = model->next_logits(at::cat(next), all);
    for (size_t row = 0; row < 3; ++row) {
      const at::Tensor want = model->next_logits(next[row], {alone[row].get()})[0];
      EXPECT_LE((got[static_cast<int64_t>(row)] - want).abs().max().item<double>(),
                1e-5 * want.abs().max().item<double>())
          << row << " " << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, GptVariant, testing::ValuesIn(cases()),
                         [](const auto& which) { return which.param.name; });

TEST(Gpt, AddsIntoGradientsThatAreThere) {
  auto model = build(small());
  const auto batch = random_batch(small(), 2, 5);
  model->loss(batch, {}).sum.backward();
  const Tensors once = gradients(*model);
  std::map<std::string, void*> memory;
  for (Parameter* p : model->parameters()) memory[p->name] = p->value.grad().data_ptr();
  model->loss(batch, {}).sum.backward();
  Tensors twice = gradients(*model);
  for (auto& [name, x] : twice) x = x / 2;
  expect_close(twice, once, 1e-5);
  for (Parameter* p : model->parameters()) EXPECT_EQ(memory[p->name], p->value.grad().data_ptr()) << p->name;
}

TEST(Gpt, CountsOnlyWhatTheMaskLeaves) {
  auto model = build(small());
  auto batch = random_batch(small(), 2, 6);
  batch.tensors["loss_mask"] = at::tensor({1, 0, 1, 1, 0, 0, 0, 1, 0, 0, 0, 1}, at::kFloat).view({2, 6});
  const LossSum loss = model->loss(batch, {});
  EXPECT_EQ(loss.weight, 5);
  EXPECT_NEAR(loss.sum.item<double>() / Reference(small(), weights(*model)).loss(batch).item<double>(), 1.0, 2e-6);
}

TEST(Gpt, SixteenBitForwardIsNearFp32) {
  ModelOptions o = small();
  o.init_std = 0.05;
  const auto batch = random_batch(o, 4, o.sequence);
  const double want = build(o)->loss(batch, {}).sum.item<double>();
  EXPECT_NEAR(build(o, {}, false, at::kHalf)->loss(batch, {}).sum.item<double>() / want, 1.0, 1e-3);
  EXPECT_NEAR(build(o, {}, false, at::kBFloat16)->loss(batch, {}).sum.item<double>() / want, 1.0, 1e-2);
}

TEST(Gpt, DropoutDependsOnSeedStepAndRowAndIsOffOutsideOfTraining) {
  ModelOptions o = small();
  o.dropout = 0.2;
  auto model = build(o);
  auto batch = random_batch(o, 2, o.sequence);
  const auto loss = [&](uint64_t seed, int64_t step, bool training) {
    return model->loss(batch, {seed, step, training}).sum.item<float>();
  };
  EXPECT_EQ(loss(1, 5, true), loss(1, 5, true));
  EXPECT_NE(loss(1, 5, true), loss(2, 5, true));
  EXPECT_NE(loss(1, 5, true), loss(1, 6, true));
  EXPECT_EQ(loss(1, 5, false), loss(2, 6, false));
  const float first = loss(1, 5, true);
  batch.first_row = 2;
  EXPECT_NE(loss(1, 5, true), first);
}

TEST(Gpt, DropoutOfARowDoesNotDependOnTheMicroBatchItIsIn) {
  ModelOptions o = small();
  o.dropout = 0.2;
  auto model = build(o);
  const auto whole = random_batch(o, 4, o.sequence);
  double sum = 0.0;
  for (int64_t row = 0; row < 4; ++row) {
    data::Batch one;
    for (const auto& [name, x] : whole.tensors) one.tensors[name] = x.narrow(0, row, 1);
    one.first_row = row;
    sum += model->loss(one, {1, 5, true}).sum.item<double>();
  }
  EXPECT_NEAR(model->loss(whole, {1, 5, true}).sum.item<double>() / sum, 1.0, 1e-6);
}

TEST(Gpt, RunsEachBlockBetweenItsHooks) {
  Gpt model(resolve(small()), {}, false);
  allocate(model, at::kFloat, at::kCPU);
  std::vector<std::string> calls;
  for (Block* block : model.blocks()) {
    block->before = [&](Block& b) { calls.push_back("+" + b.name()); };
    block->after = [&](Block& b) { calls.push_back("-" + b.name()); };
  }
  model.loss(random_batch(small(), 1, 2), {});
  EXPECT_THAT(calls, testing::ElementsAre("+embed", "-embed", "+h.0", "-h.0", "+h.1", "-h.1", "+head", "-head"));
}

TEST(Gpt, ReachesItsWeightsOnlyInsideOfTheHooks) {
  Gpt model(resolve(small()), {}, false);
  allocate(model, at::kFloat, at::kCPU);
  std::map<Parameter*, at::Tensor> away;
  for (Parameter* p : model.parameters()) std::swap(away[p], p->value);
  for (Block* block : model.blocks()) {
    block->before = [&](Block& b) {
      for (Parameter* p : b.parameters()) p->value = away[p];
    };
    block->after = [&](Block& b) {
      for (Parameter* p : b.parameters()) p->value.reset();
    };
  }
  EXPECT_GT(model.loss(random_batch(small(), 1, 2), {}).sum.item<float>(), 0.0f);
}

TEST(Gpt, InitialResidualProjectionsAreSmallerByDepth) {
  ModelOptions o = small();
  o.layers = 8, o.init_std = 0.02;
  const auto model = make_model(o, {}, false);
  std::map<std::string, float> std;
  for (Parameter* p : model->parameters()) {
    for (const Piece& piece : p->pieces) std[piece.name] = piece.init_std;
  }
  EXPECT_FLOAT_EQ(std["h.0.attention.out.weight"], 0.02f / 4);
  EXPECT_FLOAT_EQ(std["h.7.mlp.down.weight"], 0.02f / 4);
  EXPECT_FLOAT_EQ(std["h.7.mlp.up.weight"], 0.02f);
}

TEST(Gpt, HasThePublishedSizeAndNanogptsFlops) {
  const ModelCost gpt2 = make_model(preset("gpt2-124m"), {}, false)->cost(1, at::kFloat);
  EXPECT_EQ(gpt2.parameters, 124439808);
  // nanoGPT, model.py, estimate_mfu: 6 N + 12 L H Q T per token, N without positions; it counts vectors, we do not.
  const double vectors = 12 * 13 * 768 + 2 * 768;
  EXPECT_EQ(gpt2.flops_per_token, 6 * (124439808.0 - 1024 * 768 - vectors) + 12.0 * 12 * 768 * 1024);
}

TEST(Gpt, PredictsActivationsByBatchAndDtype) {
  const auto gpt2 = make_model(preset("gpt2-124m"), {}, false);
  const int64_t one = gpt2->cost(1, at::kFloat).activation_bytes;
  EXPECT_EQ(gpt2->cost(8, at::kFloat).activation_bytes, 8 * one);
  // Half of it in 16 bits, and where there are no matrix tiles the head's operands once more in fp32.
  const int64_t n = 1024, h = 768, v = 50304;
  const int64_t copies = ops::products_through_fp32(at::kCPU, at::kBFloat16) ? 4 * (n * h + n * v + h * v) : 0;
  EXPECT_NEAR(static_cast<double>(gpt2->cost(1, at::kBFloat16).activation_bytes - copies) / static_cast<double>(one),
              0.5, 0.01);
  // Per token and layer: two sums, two normed inputs, q k v, attention's output twice, and 4 h twice in the MLP.
  EXPECT_NEAR(static_cast<double>(one) / (1024.0 * 4), 12 * (2 + 2 + 3 + 2 + 8) * 768 + 50304 + 3 * 768, 1000.0);
}

TEST(Gpt, RefusesAShapeWithEveryProblemInOneMessage) {
  ModelOptions o = small();
  o.heads = 5, o.dropout = 2.0;
  try {
    make_model(o, {}, false);
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(),
                testing::AllOf(testing::HasSubstr("heads 5"), testing::HasSubstr("residual_dropout is 2")));
  }
}

TEST(Gpt, SeesAllOfAPrefixAndNothingBehindItself) {
  const auto model = build(small());
  auto batch = random_batch(small(), 1, 8);
  batch.tensors["ends"] = at::full({1, 8}, 4, at::kLong);
  const auto logits = [&] { return model->outputs(batch).at("logits")[0]; };
  const auto before = logits();
  const auto changed_at = [&](int64_t i) {
    const auto kept = batch["tokens"].clone();
    batch.tensors["tokens"][0][i] = (kept[0][i] + 1).remainder(small().vocab);
    const auto out = logits().ne(before).any(1);
    batch.tensors["tokens"] = kept;
    return out;
  };
  EXPECT_TRUE(changed_at(3).all().item<bool>());
  EXPECT_TRUE(changed_at(5).equal(at::arange(8).ge(5)));
}

TEST(Gpt, ReadsAPromptAsThePrefixThatItIs) {
  const auto model = build(small());
  auto batch = random_batch(small(), 1, 8);
  batch.tensors["ends"] = at::full({1, 8}, 5, at::kLong);
  const auto want = model->outputs(batch).at("logits")[0];
  const auto cache = model->make_cache(small().sequence);
  cache->prefix = true;
  const auto& tokens = batch["tokens"];
  const auto after_prompt = model->next_logits(tokens.narrow(1, 0, 5), {cache.get()});
  EXPECT_LT((after_prompt[0] - want[4]).abs().max().item<double>(), 1e-5);
  for (int64_t i = 5; i < 8; ++i) {
    const auto got = model->next_logits(tokens.narrow(1, i, 1), {cache.get()});
    EXPECT_LT((got[0] - want[i]).abs().max().item<double>(), 1e-5) << i;
  }
}

}  // namespace bessemer::models
