// The same weights on the CPU and on a GPU: the same losses, gradients and next tokens.
#include "tests/models/on_gpu.h"

namespace bessemer::models {
namespace {

ModelOptions gpt2() {
  ModelOptions o = small();
  o.bias = true, o.activation = Activation::kGeluTanh, o.init_std = 0.05;
  return o;
}

ModelOptions llama() {
  ModelOptions o = small();
  o.position = Position::kRotary, o.norm = Norm::kRmsNorm, o.activation = Activation::kSwiglu, o.kv_heads = 2,
  o.tied = false;
  o.init_std = 0.05;
  return o;
}

void expect_the_cpus_numbers(const ModelOptions& o, at::ScalarType dtype, double loss_tolerance,
                             double gradient_tolerance) {
  expect_the_cpus_numbers(o, random_batch(o, 3, o.sequence), dtype, loss_tolerance, gradient_tolerance);
}

}  // namespace

TEST(GptOnGpu, Fp32LossAndGradientsEqualTheCpus) {
  for (const auto& o : {gpt2(), llama()}) expect_the_cpus_numbers(o, at::kFloat, 1e-5, 1e-4);
}

TEST(GptOnGpu, SixteenBitLossAndGradientsAreNearTheCpusFp32) {
  for (const auto& o : {gpt2(), llama()}) {
    expect_the_cpus_numbers(o, at::kHalf, 2e-3, 3e-2);
    expect_the_cpus_numbers(o, at::kBFloat16, 1e-2, 1e-1);
  }
}

TEST(GptOnGpu, DropoutHasTheCpusMasks) {
  ModelOptions o = gpt2();
  o.dropout = 0.2;
  expect_the_cpus_numbers(o, at::kFloat, 1e-5, 1e-4);
}

TEST(GptOnGpu, NextLogitsEqualTheCpusHoweverTheTokensCome) {
  for (const auto& o : {gpt2(), llama()}) {
    auto cpu = build(o);
    auto gpu = copy_to_gpu(*cpu, at::kFloat);
    const at::Tensor tokens = random_batch(o, 2, o.sequence)["tokens"];
    const auto caches = [&](auto& model) {
      std::vector<std::unique_ptr<Cache>> two;
      for (int i = 0; i < 2; ++i) two.push_back(model->make_cache(o.sequence));
      return two;
    };
    const auto on_cpu = caches(cpu), on_gpu = caches(gpu);
    int64_t seen = 0;
    for (const int64_t n : {5, 1, 1, 3}) {
      const at::Tensor part = tokens.narrow(1, seen, n);
      const at::Tensor want = cpu->next_logits(part, {on_cpu[0].get(), on_cpu[1].get()});
      const at::Tensor got = gpu->next_logits(part.to(at::kCUDA), {on_gpu[0].get(), on_gpu[1].get()});
      seen += n;
      EXPECT_LE((got.cpu() - want).abs().max().item<double>(), 1e-4 * want.abs().max().item<double>()) << seen;
    }
  }
}

}  // namespace bessemer::models
