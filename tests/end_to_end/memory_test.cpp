#include "trainer/memory.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cstdio>

#include "models/presets.h"
#include "tests/support/thread_world.h"
#include "trainer/host_memory.h"
#include "trainer/trainer.h"

namespace bessemer::trainer {
namespace {

struct Case {
  const char* name;
  models::ModelOptions model;
  Precision precision = Precision::kFp32;
  int64_t batch = 4, micro = 0, virtual_dp = 0;
};

models::ModelOptions shape(int64_t layers, int64_t hidden, int64_t heads, int64_t sequence, int64_t vocab) {
  models::ModelOptions o;
  o.layers = layers, o.hidden = hidden, o.heads = heads, o.sequence = sequence, o.vocab = vocab;
  return o;
}

std::vector<Case> cases() {
  auto gpt2 = shape(2, 384, 6, 128, 5003);
  gpt2.bias = true, gpt2.activation = models::Activation::kGeluTanh;
  auto llama = shape(3, 256, 8, 256, 4001);
  llama.kv_heads = 2, llama.position = models::Position::kRotary, llama.norm = models::Norm::kRmsNorm;
  llama.activation = models::Activation::kSwiglu, llama.tied = false, llama.ffn = 704;
  auto bert = models::resolve(models::preset("bert-tiny"));
  bert.sequence = 128, bert.vocab = 30522,
  bert.dropout = bert.embedding_dropout = bert.attention_dropout = bert.residual_dropout = 0.1;
  auto deep = shape(8, 192, 6, 128, 509), deep_bert = bert;
  deep.recompute = deep_bert.recompute = models::Recompute::kFull;
  deep_bert.layers = 8, deep_bert.vocab = 509;
  return {{"NanogptFp32", shape(4, 128, 4, 64, 65), Precision::kFp32, 12},
          {"NanogptBf16", shape(4, 128, 4, 64, 65), Precision::kBf16, 12},
          {"Gpt2Fp32", gpt2, Precision::kFp32, 4},
          {"Gpt2Bf16Accumulated", gpt2, Precision::kBf16, 8, 4},
          {"LlamaFp32", llama, Precision::kFp32, 4},
          {"LlamaFp16VirtualDp", llama, Precision::kFp16, 8, 2, 4},
          {"BertTinyFp32", bert, Precision::kFp32, 16},
          {"BertTinyBf16Accumulated", bert, Precision::kBf16, 32, 16},
          {"RecomputedFp32", deep, Precision::kFp32, 8},
          {"RecomputedBf16", deep, Precision::kBf16, 8},
          {"RecomputedBertFp32", deep_bert, Precision::kFp32, 16}};
}

class Memory : public testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(Configurations, Memory, testing::ValuesIn(cases()),
                         [](const auto& one) { return std::string(one.param.name); });

data::Batch random_batch(int64_t rows, const models::ModelOptions& o) {
  data::Batch batch;
  batch.tensors["tokens"] = at::randint(o.vocab, {rows, o.sequence}, at::kLong);
  batch.tensors["targets"] = at::randint(o.vocab, {rows, o.sequence}, at::kLong);
  if (o.family == models::Family::kBert) {
    const int64_t n = rows * o.sequence;
    batch.tensors["predicted"] = std::get<0>(at::randperm(n, at::kLong).narrow(0, 0, n * 15 / 100).sort());
  }
  return batch;
}

TEST_P(Memory, PredictedPeakIsWithinFivePercentOfTheMeasured) {
  static const HostMemory memory;  // LibTorch's allocator for the rest of this process
  TrainerOptions options;
  options.train.global_batch = GetParam().batch, options.train.micro_batch = GetParam().micro;
  options.train.precision = GetParam().precision;
  options.parallel.virtual_dp = GetParam().virtual_dp;
  const int64_t before = memory.in_use();
  const auto model = models::make_model(models::resolve(GetParam().model), {}, false);
  Trainer trainer(*model, options, {});
  const auto account = account_memory(*model, options, parallel::Topology(1, 1), Copy::kNone);
  const_cast<HostMemory&>(memory).reset_peak();
  for (int i = 0; i < 2; ++i) trainer.step([&] { return random_batch(trainer.plan().micro_batch, model->options()); });
  const auto measured = static_cast<double>(memory.peak() - before);
  const auto predicted = static_cast<double>(account.total());
  std::printf("%-24s predicted %7.1f MiB, measured %7.1f, ratio %.3f\n", GetParam().name, predicted / (1 << 20),
              measured / (1 << 20), predicted / measured);
  EXPECT_NEAR(predicted / measured, 1.0, 0.05) << account.text() << "measured " << measured / (1 << 20) << " MiB";
}

}  // namespace
}  // namespace bessemer::trainer
