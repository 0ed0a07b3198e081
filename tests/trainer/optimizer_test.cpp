#include "trainer/optimizer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <mutex>

#include "tests/support/gpt_run.h"
#include "tests/trainer/adam_example.h"

namespace bessemer::trainer {
namespace {

constexpr int64_t kUpdates = 5;
constexpr double kLr = 0.02, kBeta1 = 0.9, kBeta2 = 0.97, kEps = 1e-6, kDecay = 0.05, kFactor = 0.5;

AdamStep step_of(int64_t t) {
  AdamStep s;
  s.lr = kLr, s.beta1 = kBeta1, s.beta2 = kBeta2, s.eps = kEps, s.weight_decay = kDecay, s.gradient_factor = kFactor;
  s.bias1 = static_cast<float>(1 - std::pow(kBeta1, t));
  s.bias2_sqrt = static_cast<float>(std::sqrt(1 - std::pow(kBeta2, t)));
  return s;
}

/// A gradient of each parameter that is a function of canonical name and index: the same on every layout.
at::Tensor gradient_of(const models::Parameter& parameter, int64_t t) {
  models::Parameter drawn = parameter;
  for (auto& piece : drawn.pieces) piece.init = models::Init::kNormal, piece.init_std = 0.3f;
  auto out = at::empty(parameter.local_shape, at::kFloat);
  models::initialize(drawn, static_cast<uint64_t>(100 + t), out);
  return out;
}

using Tensors = std::map<std::string, at::Tensor>;  // by canonical name

/// LAMB as the paper writes it, in fp64, on canonical tensors (You et al. 2020, algorithm 2).
Tensors by_the_paper(const models::ModelOptions& shape) {
  Tensors out;
  const auto model = models::make_model(shape, {}, false);
  for (const auto* p : model->parameters()) {
    auto initial = at::empty(p->local_shape, at::kFloat);
    models::initialize(*p, 5, initial);
    for (const auto& piece : p->pieces) {
      const auto rows = [&](const at::Tensor& x) { return x.narrow(0, piece.row, piece.rows).to(at::kDouble); };
      auto w = rows(initial), m = at::zeros_like(w), v = at::zeros_like(w);
      for (int64_t t = 1; t <= kUpdates; ++t) {
        const auto g = rows(gradient_of(*p, t)) * kFactor;
        m = kBeta1 * m + (1 - kBeta1) * g;
        v = kBeta2 * v + (1 - kBeta2) * g * g;
        const auto r = (m / (1 - std::pow(kBeta1, t))) / ((v / (1 - std::pow(kBeta2, t))).sqrt() + kEps);
        const bool matrix = w.dim() > 1;
        const auto update = matrix ? r + kDecay * w : r;
        const double norm = w.norm().item<double>(), length = update.norm().item<double>();
        const double trust = matrix && norm > 0 && length > 0 ? norm / length : 1;
        w = w - kLr * trust * update;
      }
      out[piece.name] = w;
    }
  }
  return out;
}

/// Greatest difference of what this rank updated from the reference's slice.
double worst_after_updates(const models::ModelOptions& shape, const parallel::Grid& grid,
                           const FlatState::Options& options, const Tensors& want) {
  const auto model = models::make_model(shape, grid, false);
  FlatState state(*model, grid, options);
  for (int64_t t = 1; t <= kUpdates; ++t) {
    for (const auto& slot : state.layout().slots())
      state.grads.narrow(0, slot.offset, slot.count).copy_(gradient_of(*slot.parameter, t).view({-1}));
    update_lamb(state, step_of(t), grid);
    state.grads.zero_();
    state.publish_weights(grid.dp);
  }
  double worst = 0;
  for (const auto* p : model->parameters()) {
    for (const auto& piece : p->pieces) {
      if (piece.rows == 0) continue;
      const auto mine = p->value.detach().narrow(0, piece.row, piece.rows).to(at::kDouble);
      const auto theirs = want.at(piece.name).narrow(piece.dim, piece.begin, piece.end - piece.begin);
      worst = std::max(worst, (mine - theirs).abs().max().item<double>() / theirs.abs().max().item<double>());
    }
  }
  return worst;
}

TEST(Lamb, EqualsThePaperOnCanonicalTensorsOnEveryLayout) {
  for (const auto& shape : {tests::gpt2_like(), tests::llama_like(), tests::bert_like()}) {
    const auto want = by_the_paper(shape);
    for (const auto& [ranks, tp, zero] : std::vector<std::tuple<int, int, bool>>{
             {1, 1, false}, {2, 1, false}, {2, 1, true}, {2, 2, false}, {4, 2, false}, {4, 2, true}, {3, 1, true}}) {
      FlatState::Options options;
      options.zero = zero, options.seed = 5, options.bucket_elements = 3000;
      std::mutex mutex;
      tests::run_ranks(
          ranks,
          [&](const parallel::Grid& grid) {
            const double worst = worst_after_updates(shape, grid, options, want);
            const std::lock_guard lock(mutex);
            EXPECT_LT(worst, 1e-6) << ranks << " ranks, tp " << tp << ", ZeRO " << zero;
          },
          tp);
    }
  }
}

TEST(Lamb, In16BitRunsRoundsTheFp32Weights) {
  const auto shape = tests::llama_like();
  FlatState::Options options;
  options.precision = Precision::kBf16, options.seed = 5;
  EXPECT_LT(worst_after_updates(shape, {}, options, by_the_paper(shape)), 1.0 / 256);
}

TEST(Lamb, AMatrixOfZerosMovesByTheLearningRate) {
  const auto shape = tests::gpt2_like();
  const auto model = models::make_model(shape, {}, false);
  FlatState state(*model, {}, {});
  state.weights.zero_();
  state.grads.fill_(1.0);
  update_lamb(state, step_of(1), {});
  for (const auto& slot : state.layout().slots())
    EXPECT_TRUE(at::allclose(state.weights.narrow(0, slot.offset, slot.count), at::full({slot.count}, -kLr), 1e-5))
        << slot.parameter->name;
  FlatState none(*model, {}, {});
  const auto before = none.weights.clone();
  auto still = step_of(1);
  still.weight_decay = 0;
  update_lamb(none, still, {});  // no gradient, no decay: the direction is 0
  EXPECT_TRUE(at::equal(none.weights, before));
}

}  // namespace

// Sizes: none, one, odd, more than a chunk of the kernel.
class LambOps : public testing::TestWithParam<int64_t> {};
INSTANTIATE_TEST_SUITE_P(Sizes, LambOps, testing::Values(0, 1, 17, 4096, 10007));

TEST_P(LambOps, DirectionAndStepMatchAtensArithmetic) {
  for (const auto dtype : {at::kBFloat16, at::kHalf}) {
    const auto x = random_state(GetParam());
    const auto s = example_step();
    const auto g = x.gradient.to(at::kDouble) * s.gradient_factor;
    const auto m = x.momentum.to(at::kDouble) * s.beta1 + g * (1 - s.beta1);
    const auto v = x.variance.to(at::kDouble) * s.beta2 + g * g * (1 - s.beta2);
    const auto want = m / s.bias1 / (v.sqrt() / s.bias2_sqrt + s.eps) + x.weight.to(at::kDouble) * s.weight_decay;
    const auto moved = x.weight.to(at::kDouble) - want * 0.125;
    lamb_direction(s, x.weight, x.gradient, x.momentum, x.variance);
    EXPECT_TRUE(at::allclose(x.gradient.to(at::kDouble), want, 1e-5, 1e-6));
    EXPECT_TRUE(at::allclose(x.momentum.to(at::kDouble), m, 1e-6, 1e-7));
    EXPECT_TRUE(at::allclose(x.variance.to(at::kDouble), v, 1e-6, 1e-9));
    auto low = at::zeros({GetParam()}, dtype);
    lamb_apply(0.125f, x.weight, x.gradient, low);
    EXPECT_TRUE(at::allclose(x.weight.to(at::kDouble), moved, 1e-5, 1e-5));
    EXPECT_TRUE(at::equal(low, x.weight.to(dtype)));
    EXPECT_TRUE(at::equal(x.gradient, at::zeros_like(x.gradient)));
  }
}

}  // namespace bessemer::trainer
