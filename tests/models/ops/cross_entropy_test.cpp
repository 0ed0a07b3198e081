#include "tests/models/ops/cross_entropy_cases.h"
#include "tests/support/thread_world.h"

namespace bessemer::models::ops {

TEST(CrossEntropy, MatchesFp64Reference) { check_cross_entropies(at::kCPU, parallel::Group()); }

TEST(CrossEntropy, OfNoRowsIsZero) {
  const auto loss =
      cross_entropy(at::zeros({0, 5}).requires_grad_(), at::zeros({0}, at::kLong), {}, 0, 5, parallel::Group());
  EXPECT_EQ(loss.item<float>(), 0.0f);
}

TEST(CrossEntropy, TakesAnyTargetWhereMaskedOut) {
  const auto logits = at::randn({2, 5});
  const auto mask = at::tensor({1.0f, 0.0f});
  const auto one = cross_entropy(logits, at::tensor({2, -1}).to(at::kLong), mask, 0, 5, parallel::Group());
  EXPECT_EQ(one.item<float>(),
            cross_entropy(logits, at::tensor({2, 99}).to(at::kLong), mask, 0, 5, parallel::Group()).item<float>());
}

TEST(CrossEntropyRanks, SplitVocabulariesMatchTheWhole) {
  for (int ranks : {1, 2, 4}) {
    tests::run_ranks(
        ranks, [](const parallel::Grid& grid) { check_cross_entropies(at::kCPU, grid.tp); }, ranks);
  }
}

}  // namespace bessemer::models::ops
