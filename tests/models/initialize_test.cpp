#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "models/blocks/parameters.h"
#include "models/model.h"

namespace bessemer::models {

namespace {

/// A place in a group that never talks.
class Place : public parallel::Backend {
 public:
  Place(int rank, int size) : rank_(rank), size_(size) {}
  int rank() const override { return rank_; }
  int size() const override { return size_; }
  const char* name() const override { return "place"; }
  void barrier() override {}
  void broadcast(at::Tensor&, int) override {}
  void all_reduce(at::Tensor&, parallel::ReduceOp) override {}
  void all_gather(const at::Tensor&, at::Tensor&) override {}
  void reduce_scatter(const at::Tensor&, at::Tensor&) override {}
  parallel::Work start_all_reduce(at::Tensor&) override { return nullptr; }
  parallel::Work start_reduce_scatter(const at::Tensor&, at::Tensor&) override { return nullptr; }

 private:
  int rank_, size_;
};

parallel::Group place(int rank, int size) { return parallel::Group(std::make_shared<Place>(rank, size)); }

constexpr Filling kNormal{Init::kNormal, 0.02};

at::Tensor values(const Parameter& p, uint64_t seed = 7) {
  at::Tensor out = at::full(p.local_shape, 99.0, at::kFloat);
  initialize(p, seed, out);
  return out;
}

}  // namespace

TEST(Initialize, FusedRowsAreTheSlicesOfEachPart) {
  const std::vector<Part> parts = {{"a.q.weight", 12}, {"a.k.weight", 4}, {"a.v.weight", 4}};
  const at::Tensor whole = values(split_rows("a.qkv.weight", parts, 5, kNormal, {}));
  for (int rank = 0; rank < 4; ++rank) {
    const at::Tensor slice = values(split_rows("a.qkv.weight", parts, 5, kNormal, place(rank, 4)));
    EXPECT_TRUE(at::equal(
        slice, at::cat({whole.narrow(0, 3 * rank, 3), whole.narrow(0, 12 + rank, 1), whole.narrow(0, 16 + rank, 1)})));
  }
}

TEST(Initialize, SplitColumnsAreColumnsOfTheWhole) {
  const at::Tensor whole = values(split_columns("down.weight", 7, 6, kNormal, {}));
  for (int rank = 0; rank < 3; ++rank) {
    EXPECT_TRUE(
        at::equal(values(split_columns("down.weight", 7, 6, kNormal, place(rank, 3))), whole.narrow(1, 2 * rank, 2)));
  }
}

TEST(Initialize, AnyVocabularySplitsAndPaddingIsZero) {
  for (const int64_t vocab : {1, 5, 64, 3001}) {
    const at::Tensor whole = values(split_vocabulary("embed.weight", vocab, 3, kNormal, {})).narrow(0, 0, vocab);
    std::vector<at::Tensor> slices;
    for (int rank = 0; rank < 4; ++rank)
      slices.push_back(values(split_vocabulary("embed.weight", vocab, 3, kNormal, place(rank, 4))));
    const at::Tensor together = at::cat(slices);
    EXPECT_TRUE(at::equal(together.narrow(0, 0, vocab), whole)) << vocab;
    EXPECT_EQ(together.narrow(0, vocab, together.size(0) - vocab).abs().sum().item<float>(), 0.0f);
  }
}

TEST(Initialize, HasTheStandardDeviationAskedFor) {
  const at::Tensor x = values(split_rows("m.weight", {{"m.weight", 500}}, 400, {Init::kNormal, 0.1}, {}));
  EXPECT_NEAR(x.std().item<double>(), 0.1, 0.1 * 4 / std::sqrt(2 * 200000.0));
  EXPECT_NEAR(x.mean().item<double>(), 0.0, 0.1 * 4 / std::sqrt(200000.0));
}

TEST(Initialize, DependsOnSeedAndName) {
  const auto make = [](const char* name) { return split_rows(name, {{name, 3}}, 3, kNormal, {}); };
  EXPECT_TRUE(at::equal(values(make("a")), values(make("a"))));
  EXPECT_FALSE(at::equal(values(make("a")), values(make("b"))));
  EXPECT_FALSE(at::equal(values(make("a"), 7), values(make("a"), 8)));
}

TEST(Initialize, NormsAreOnesAndBiasesZero) {
  EXPECT_TRUE(at::equal(values(whole("norm.weight", {3}, {Init::kOnes, 0.0}, false)), at::ones({3})));
  EXPECT_TRUE(at::equal(values(whole("norm.bias", {3}, {Init::kZeros, 0.0}, false)), at::zeros({3})));
}

}  // namespace bessemer::models
