#include "parallel/tree_sum.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace bessemer::parallel {
namespace {

at::Tensor tree(const std::vector<at::Tensor>& parts, ReduceOp op = ReduceOp::kSum) {
  auto out = at::empty_like(parts[0]);
  std::vector<const void*> pointers;
  for (const auto& p : parts) pointers.push_back(p.const_data_ptr());
  tree_reduce(pointers, out.mutable_data_ptr(), out.numel(), out.scalar_type(), op);
  return out;
}

std::vector<at::Tensor> random_parts(int count, int64_t n, at::ScalarType dtype) {
  std::vector<at::Tensor> parts;
  for (int i = 0; i < count; ++i) parts.push_back(at::randn({n}).mul_(std::pow(10.0, i % 5)).to(dtype));
  return parts;
}

TEST(TreeSplit, IsTheLargestPowerOfTwoBelow) {
  const int want[] = {1, 2, 2, 4, 4, 4, 4, 8};
  for (int n = 2; n <= 9; ++n) EXPECT_EQ(tree_split(n), want[n - 2]) << n;
}

TEST(TreeReduce, AddsInTheFixedTree) {
  for (const int64_t n : {0, 1, 7, 1023, 1024, 1025, 5000}) {
    const auto p = random_parts(7, n, at::kFloat);
    EXPECT_TRUE(at::equal(tree({p[0]}), p[0]));
    EXPECT_TRUE(at::equal(tree({p[0], p[1]}), p[0] + p[1]));
    EXPECT_TRUE(at::equal(tree({p[0], p[1], p[2]}), (p[0] + p[1]) + p[2]));
    EXPECT_TRUE(at::equal(tree(p), ((p[0] + p[1]) + (p[2] + p[3])) + ((p[4] + p[5]) + p[6]))) << n;
  }
}

TEST(TreeReduce, AddsSixteenBitsInFp32AndRoundsOnce) {
  for (const auto dtype : {at::kBFloat16, at::kHalf}) {
    const auto p = random_parts(5, 1111, dtype);
    std::vector<at::Tensor> wide;
    for (const auto& x : p) wide.push_back(x.to(at::kFloat));
    EXPECT_TRUE(at::equal(tree(p), tree(wide).to(dtype))) << dtype;
  }
}

TEST(TreeReduce, ConvertsEverySixteenBitNumberAsLibTorchDoes) {
  const auto bits = at::arange(-32768, 32768, at::kShort);
  for (const auto dtype : {at::kBFloat16, at::kHalf}) {
    const auto x = bits.view(dtype);
    const auto got = tree({x, at::zeros_like(x)}).to(at::kFloat);
    const auto want = x.to(at::kFloat) + 0.0f;
    EXPECT_TRUE(at::equal(at::isnan(got), at::isnan(want)));
    EXPECT_TRUE(at::equal(at::nan_to_num(got, 0, 1e38, -1e38), at::nan_to_num(want, 0, 1e38, -1e38))) << dtype;
  }
}

TEST(TreeReduce, MayWriteIntoOneOfItsParts) {
  for (const int target : {0, 1, 2, 3, 4}) {
    auto p = random_parts(5, 3000, at::kFloat);
    const auto want = tree(p);
    std::vector<const void*> pointers;
    for (const auto& x : p) pointers.push_back(x.const_data_ptr());
    tree_reduce(pointers, p[static_cast<std::size_t>(target)].mutable_data_ptr(), 3000, at::kFloat);
    EXPECT_TRUE(at::equal(p[static_cast<std::size_t>(target)], want)) << target;
  }
}

TEST(TreeReduce, AddsIntegersAndFindsExtremes) {
  const std::vector<at::Tensor> p{at::tensor({5, -7}, at::kLong), at::tensor({-2, 9}, at::kLong),
                                  at::tensor({1, 1}, at::kLong)};
  EXPECT_TRUE(at::equal(tree(p), at::tensor({4, 3}, at::kLong)));
  EXPECT_TRUE(at::equal(tree(p, ReduceOp::kMax), at::tensor({5, 9}, at::kLong)));
  EXPECT_TRUE(at::equal(tree(p, ReduceOp::kMin), at::tensor({-2, -7}, at::kLong)));
  const auto nan = at::full({2}, NAN), one = at::ones({2});
  for (const auto op : {ReduceOp::kMax, ReduceOp::kMin, ReduceOp::kSum}) {
    EXPECT_TRUE(tree({nan, one, one}, op).isnan().all().item<bool>());
    EXPECT_TRUE(tree({one, one, nan}, op).isnan().all().item<bool>());
  }
}

}  // namespace
}  // namespace bessemer::parallel
