#include "parallel/group.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace bessemer::parallel {

TEST(GroupOfOne, IsTheIdentity) {
  const Group alone;
  auto x = at::arange(5).to(at::kFloat);
  alone.all_reduce(x);
  EXPECT_TRUE(at::equal(x, at::arange(5).to(at::kFloat)));
  EXPECT_EQ(alone.all_reduce(7, ReduceOp::kMax), 7);
  EXPECT_EQ(alone.broadcast("text", 0), "text");
  EXPECT_EQ(alone.all_gather(std::string("a")), std::vector<std::string>{"a"});
}

}  // namespace bessemer::parallel
