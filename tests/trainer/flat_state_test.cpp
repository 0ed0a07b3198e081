#include "trainer/flat_state.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/support/thread_world.h"
#include "tests/support/toy_model.h"

namespace bessemer::trainer {
namespace {

/// Parameters of the given element counts, as vectors.
std::vector<models::Parameter> vectors(const std::vector<int64_t>& counts) {
  std::vector<models::Parameter> made(counts.size());
  for (std::size_t i = 0; i < counts.size(); ++i) made[i].local_shape = {counts[i]};
  return made;
}

std::vector<models::Parameter*> pointers(std::vector<models::Parameter>& parameters) {
  std::vector<models::Parameter*> out;
  for (auto& p : parameters) out.push_back(&p);
  return out;
}

TEST(FlatLayout, ReversesTheOrderAndLetsNoBlockHoldTwoParameters) {
  auto parameters = vectors({5, 1024, 3000, 1});
  const FlatLayout layout(pointers(parameters), 1, 1 << 20);
  ASSERT_EQ(layout.slots().size(), 4u);
  EXPECT_EQ(layout.slots()[0].parameter, &parameters[3]);
  int64_t end = 0;
  for (const auto& slot : layout.slots()) {
    EXPECT_EQ(slot.offset % FlatLayout::kBlock, 0);
    EXPECT_GE(slot.offset, end);
    end = slot.offset + slot.count;
  }
  EXPECT_EQ(layout.size(), 1024 + 3 * 1024 + 1024 + 1024);
}

TEST(FlatLayout, CutsBucketsOfWholeParametersAndPartsOfWholeBlocks) {
  auto parameters = vectors({4000, 100, 9000, 100, 100});
  for (const int dp : {1, 2, 3, 8}) {
    const FlatLayout layout(pointers(parameters), dp, 4096);
    EXPECT_GT(layout.buckets().size(), 1u);
    int64_t at = 0;
    for (const auto& bucket : layout.buckets()) {
      EXPECT_EQ(bucket.begin, at);
      for (int r = 0; r < dp; ++r) {  // the parts tile the bucket
        EXPECT_EQ(layout.part(bucket, r).begin, at);
        EXPECT_EQ(layout.part(bucket, r).size() % FlatLayout::kBlock, 0);
        at = layout.part(bucket, r).end;
      }
      EXPECT_EQ(bucket.end, at);
    }
    for (const auto& slot : layout.slots()) {
      const auto& bucket = layout.buckets()[slot.bucket];
      EXPECT_TRUE(slot.offset >= bucket.begin && slot.offset + slot.count <= bucket.end);
    }
  }
}

TEST(FlatLayout, OfNoParametersIsEmpty) { EXPECT_EQ(FlatLayout({}, 2, 100).size(), 0); }

TEST(FlatState, ParametersAndGradientsAreViewsThatBackwardFills) {
  tests::ToyModel model;
  FlatState state(model, {}, {});
  auto& weight = model.parameters()[1]->value;
  EXPECT_TRUE(weight.is_leaf() && weight.requires_grad());
  (weight * 2).sum().backward();
  EXPECT_EQ(state.grads.sum().item<float>(), 2.0f * static_cast<float>(weight.numel()));
  state.weights.zero_();
  EXPECT_EQ(weight.abs().sum().item<float>(), 0.0f);
}

TEST(FlatState, SixteenBitRunsTakeTwentyBytesPerParameterAndZeroLess) {
  for (const bool zero : {false, true}) {
    tests::run_ranks(2, [&](const parallel::Grid& grid) {
      tests::ToyModel model;
      FlatState::Options options;
      options.precision = Precision::kBf16, options.zero = zero;
      const FlatState state(model, grid, options);
      int64_t adam = 0;
      for (std::size_t b = 0; b < state.layout().buckets().size(); ++b) {
        for (const auto kind : {StateKind::kWeight, StateKind::kMomentum, StateKind::kVariance}) {
          adam += static_cast<int64_t>(state.state(kind, b, state.updated(b)).nbytes());
        }
      }
      const auto n = state.layout().size();
      const auto rest = static_cast<int64_t>(state.weights.nbytes() + state.low_grads.nbytes() + state.grads.nbytes());
      EXPECT_EQ(rest + adam, zero ? n * 14 : n * 20);  // 8 + 12 / 2
    });
  }
}

TEST(FlatState, InitialWeightsAreTheSameWithAndWithoutZero) {
  tests::ToyModel alone;
  const FlatState whole(alone, {}, {});
  tests::run_ranks(2, [&](const parallel::Grid& grid) {
    tests::ToyModel model;
    FlatState::Options options;
    options.zero = true, options.precision = Precision::kBf16;
    FlatState state(model, grid, options);
    for (std::size_t i = 0; i < model.parameters().size(); ++i) {
      EXPECT_TRUE(at::equal(model.parameters()[i]->value, alone.parameters()[i]->value.to(at::kBFloat16)));
    }
    state.weights.zero_();  // what a resume does: from the fp32 parts to everybody's 16-bit weights
    state.publish_weights(grid.dp);
    EXPECT_TRUE(at::equal(model.parameters()[0]->value, alone.parameters()[0]->value.to(at::kBFloat16)));
  });
}

}  // namespace
}  // namespace bessemer::trainer
