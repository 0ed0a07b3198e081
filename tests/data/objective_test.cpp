#include "data/objective.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

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

}  // namespace
}  // namespace bessemer::data
