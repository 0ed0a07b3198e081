#pragma once
#include "models/ops/embedding.h"
#include "tests/models/ops/compare.h"

namespace bessemer::models::ops {

inline void embedding_matches_reference(at::Device device) {
  at::manual_seed(6);
  for (auto dtype : dtypes()) {
    for (bool into_grad : {false, true}) {
      for (auto [s, rows, h] : {std::tuple{0, 3, 4}, {1, 1, 1}, {7, 5, 33}, {40, 65, 128}}) {
        const auto ids = at::randint(0, rows, {s, 3}, at::kLong);
        expect_matches([](const auto& x) { return ops::embedding(x[0], x[1]); },
                       [](const auto& x) { return at::embedding(x[1], x[0]); }, {ids, random({rows, h})}, dtype, device,
                       into_grad);
      }
    }
  }
}

/// Slices of the vocabulary, one after the other: their outputs add up to the whole table's.
inline void embedding_splits_add_up(at::Device device) {
  at::manual_seed(7);
  const auto weight = at::randn({11, 6}, device);
  const auto ids = at::randint(0, 11, {9, 2}, at::kLong).to(device);
  for (int64_t slice : {11, 6, 3}) {
    auto sum = at::zeros({9, 2, 6}, device);
    for (int64_t begin = 0; begin < 11; begin += slice) {
      sum += ops::embedding(ids, weight.narrow(0, begin, std::min<int64_t>(slice, 11 - begin)), begin);
    }
    EXPECT_TRUE(at::equal(sum, weight.index({ids})));
  }
}

inline void embedding_sums_in_fp32(at::Device device) {
  for (auto dtype : {at::kBFloat16, at::kHalf}) {
    auto weight = at::zeros({3, 2}, at::TensorOptions(dtype).device(device)).requires_grad_();
    weight.mutable_grad() = at::zeros_like(weight).detach();
    const auto y = ops::embedding(at::ones({10000}, at::TensorOptions(at::kLong).device(device)), weight);
    y.backward(at::ones_like(y));
    const auto want = at::full({1}, 10000, at::kFloat).to(dtype).item<float>();
    EXPECT_EQ(weight.grad()[1].min().item<float>(), want);
    EXPECT_EQ(weight.grad()[0].abs().max().item<float>(), 0.0f);
  }
}

inline void positions_match_reference(at::Device device) {
  at::manual_seed(8);
  for (auto dtype : dtypes()) {
    for (bool into_grad : {false, true}) {
      for (int64_t first : {0, 3}) {
        expect_matches([&](const auto& x) { return add_positions(x[0], x[1], first); },
                       [&](const auto& x) { return x[0] + x[1].narrow(0, first, x[0].size(0)).unsqueeze(1); },
                       {random({5, 3, 33}), random({9, 33})}, dtype, device, into_grad);
      }
    }
  }
}

}  // namespace bessemer::models::ops
