#include "data/objective.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>

namespace bessemer::data {
namespace {

Rows two_rows() {
  Rows rows;
  rows.sequence = 4, rows.rows = {6, 7}, rows.tokens = {0, 1, 2, 3, 4, 10, 11, 12, 13, 14};
  return rows;
}

TEST(MakeBatch, TargetsAreTheNextTokens) {
  const auto batch = make_batch(two_rows(), Objective(), at::kCPU);
  EXPECT_TRUE(batch["tokens"].equal(torch::tensor({{0, 1, 2, 3}, {10, 11, 12, 13}}, at::kLong)));
  EXPECT_TRUE(batch["targets"].equal(torch::tensor({{1, 2, 3, 4}, {11, 12, 13, 14}}, at::kLong)));
  EXPECT_EQ(batch.first_row, 6);
  EXPECT_FALSE(batch.has("loss_mask"));
  EXPECT_FALSE(batch.has("starts"));
}

TEST(MakeBatch, ALossMaskNeedsNoDocuments) {
  auto rows = two_rows();
  rows.counted = {1, 0, 1, 1, 0, 0, 1, 0};
  const auto batch = make_batch(rows, Objective(), at::kCPU, 2);
  EXPECT_TRUE(batch["loss_mask"].equal(torch::tensor({{1., 0.}, {1., 1.}, {0., 0.}, {1., 0.}}, at::kFloat)));
  EXPECT_FALSE(batch.has("starts"));
}

TEST(MakeBatch, APieceOfADocumentBeginsAtTheEarliestWithItsSequence) {
  auto rows = two_rows();
  rows.counted.assign(8, 1), rows.starts = {0, 0, 0, 3, 0, 1, 1, 1};
  const auto batch = make_batch(rows, Objective(), at::kCPU, 2);
  EXPECT_TRUE(batch["starts"].equal(torch::tensor({{0, 0}, {0, 1}, {0, 1}, {0, 0}}, at::kLong)));
}

TEST(MakeBatch, PrefixesAreSeenAndNotLearned) {
  Objective objective;
  objective.kind = ObjectiveKind::kPrefix, objective.seed = 11;
  const int64_t s = 6, n = 3000;
  Rows rows;
  rows.sequence = s;
  for (int64_t r = 0; r < n; ++r) {
    rows.rows.push_back(r);
    for (int64_t i = 0; i <= s; ++i) rows.tokens.push_back(i);
  }
  std::vector<int64_t> lengths(static_cast<std::size_t>(s) + 1);
  const auto batch = make_batch(rows, objective, at::kCPU);
  for (int64_t r = 0; r < n; ++r) {
    const int64_t end = batch["ends"][r][0].item<int64_t>();
    ASSERT_TRUE(end >= 1 && end <= s);
    ++lengths[static_cast<std::size_t>(end)];
    ASSERT_TRUE(batch["ends"][r].eq(end).all().item<bool>());
    ASSERT_TRUE(batch["loss_mask"][r].equal(torch::arange(s).ge(end - 1).to(at::kFloat)));
  }
  for (int64_t length = 1; length <= s; ++length)
    EXPECT_NEAR(lengths[static_cast<std::size_t>(length)], n / s, 4 * std::sqrt(n / s));

  Rows last = rows;  // by its number alone
  last.rows = {n - 1}, last.tokens.resize(7);
  EXPECT_TRUE(make_batch(last, objective, at::kCPU)["ends"][0].equal(batch["ends"][n - 1]));

  rows.starts.clear();
  for (int64_t r = 0; r < n; ++r) rows.starts.insert(rows.starts.end(), {0, 0, 2, 2, 2, 2});
  rows.counted.assign(static_cast<std::size_t>(n * s), 1);
  for (int64_t r = 0; r < n; ++r) rows.counted[static_cast<std::size_t>(r * s + 1)] = 0;
  const auto documents = make_batch(rows, objective, at::kCPU);
  const auto ends = documents["ends"];
  EXPECT_TRUE(ends.narrow(1, 0, 2).eq(1).all().item<bool>()) << "two tokens: the first is the prefix";
  EXPECT_EQ(ends.narrow(1, 2, 4).min().item<int64_t>(), 3);
  EXPECT_EQ(ends.narrow(1, 2, 4).max().item<int64_t>(), 6);
  EXPECT_TRUE(documents["loss_mask"].select(1, 0).eq(1).all().item<bool>());
  EXPECT_TRUE(documents["loss_mask"].select(1, 1).eq(0).all().item<bool>());
}

}  // namespace
}  // namespace bessemer::data
