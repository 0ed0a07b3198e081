// Each operator, forward and backward, beside LibTorch's own in the same run. Arguments: rows of the micro-batch,
// hidden size, feed-forward (or vocabulary) size; nanoGPT's CPU setting and GPT-2 124M's. Run on one idle core:
//   OMP_NUM_THREADS=1 ./ops_bench
#include <ATen/Parallel.h>
#include <benchmark/benchmark.h>

#include <functional>

#include "models/ops/activation.h"
#include "models/ops/attention.h"
#include "models/ops/cross_entropy.h"
#include "models/ops/linear.h"
#include "models/ops/norm.h"

namespace bessemer::models::ops {

namespace {

using Forward = std::function<at::Tensor()>;

/// `forward`, then backward from a gradient like its output.
void forward_backward(benchmark::State& state, const Forward& forward) {
  const auto dy = at::randn_like(forward().detach());
  for (auto _ : state) forward().backward(dy);
}

at::Tensor input(const benchmark::State& state, at::IntArrayRef shape) {
  const auto dtype = state.range(3) != 0 ? at::kBFloat16 : at::kFloat;
  auto x = at::randn(shape, dtype).requires_grad_();
  x.mutable_grad() = at::zeros_like(x).detach();
  return x;
}

void linear_ours(benchmark::State& state) {
  const auto x = input(state, {state.range(0), state.range(1)}), w = input(state, {state.range(2), state.range(1)});
  forward_backward(state, [&] { return ops::linear(x, w); });
}
void linear_aten(benchmark::State& state) {
  const auto x = input(state, {state.range(0), state.range(1)}), w = input(state, {state.range(2), state.range(1)});
  forward_backward(state, [&] { return at::linear(x, w); });
}
void gelu_ours(benchmark::State& state) {
  const auto x = input(state, {state.range(0), state.range(2)});
  forward_backward(state, [&] { return activation(Activation::kGelu, x); });
}
void gelu_aten(benchmark::State& state) {
  const auto x = input(state, {state.range(0), state.range(2)});
  forward_backward(state, [&] { return at::gelu(x); });
}
void add_norm_ours(benchmark::State& state) {
  const auto x = input(state, {state.range(0), state.range(1)}), r = input(state, {state.range(0), state.range(1)});
  const auto w = input(state, {state.range(1)});
  forward_backward(state, [&] { return add_norm(Norm::kLayerNorm, r, x, w, {}, 1e-5).second; });
}
void add_norm_aten(benchmark::State& state) {
  const auto x = input(state, {state.range(0), state.range(1)}), r = input(state, {state.range(0), state.range(1)});
  const auto w = input(state, {state.range(1)});
  forward_backward(state, [&] { return at::layer_norm(r + x, {state.range(1)}, w); });
}
constexpr int64_t kSequence = 64;
void attention_ours(benchmark::State& state) {
  const int64_t h = state.range(1), heads = h == 128 ? 4 : h / 64;
  const auto qkv = input(state, {kSequence, state.range(0) / kSequence, 3 * h});
  forward_backward(state, [&] { return packed_attention(qkv, heads, heads, {true}); });
}
void attention_aten(benchmark::State& state) {  // as nanoGPT: batch first
  const int64_t h = state.range(1), heads = h == 128 ? 4 : h / 64, b = state.range(0) / kSequence;
  const auto qkv = input(state, {b, kSequence, 3 * h});
  forward_backward(state, [&] {
    const auto parts = qkv.split(h, 2);
    const auto by_head = [&](const at::Tensor& x) { return x.view({b, kSequence, heads, h / heads}).transpose(1, 2); };
    const auto y =
        at::scaled_dot_product_attention(by_head(parts[0]), by_head(parts[1]), by_head(parts[2]), {}, 0.0, true);
    return y.transpose(1, 2).contiguous().view({b, kSequence, h});
  });
}
void cross_entropy_ours(benchmark::State& state) {
  const auto x = input(state, {state.range(0), state.range(2)});
  const auto targets = at::randint(0, state.range(2), {state.range(0)}, at::kLong);
  for (auto _ : state) cross_entropy(x * 1, targets, {}, 0, state.range(2), parallel::Group()).backward();
}
void cross_entropy_aten(benchmark::State& state) {
  const auto x = input(state, {state.range(0), state.range(2)});
  const auto targets = at::randint(0, state.range(2), {state.range(0)}, at::kLong);
  for (auto _ : state) at::cross_entropy_loss(x * 1, targets).backward();
}

void layers(benchmark::internal::Benchmark* b) {  // rows, hidden, ffn, bf16
  for (int64_t bf16 : {0, 1}) b->Args({768, 128, 512, bf16})->Args({256, 768, 3072, bf16});
}
void heads(benchmark::internal::Benchmark* b) {  // rows, hidden, vocabulary, bf16
  for (int64_t bf16 : {0, 1}) b->Args({768, 128, 65, bf16})->Args({256, 768, 50304, bf16});
}

}  // namespace

BENCHMARK(linear_ours)->Apply(layers)->Unit(benchmark::kMicrosecond);
BENCHMARK(linear_aten)->Apply(layers)->Unit(benchmark::kMicrosecond);
BENCHMARK(gelu_ours)->Apply(layers)->Unit(benchmark::kMicrosecond);
BENCHMARK(gelu_aten)->Apply(layers)->Unit(benchmark::kMicrosecond);
BENCHMARK(add_norm_ours)->Apply(layers)->Unit(benchmark::kMicrosecond);
BENCHMARK(add_norm_aten)->Apply(layers)->Unit(benchmark::kMicrosecond);
BENCHMARK(attention_ours)->Apply(layers)->Unit(benchmark::kMicrosecond);
BENCHMARK(attention_aten)->Apply(layers)->Unit(benchmark::kMicrosecond);
BENCHMARK(cross_entropy_ours)->Apply(heads)->Unit(benchmark::kMicrosecond);
BENCHMARK(cross_entropy_aten)->Apply(heads)->Unit(benchmark::kMicrosecond);

}  // namespace bessemer::models::ops

BENCHMARK_MAIN();
