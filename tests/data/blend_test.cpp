#include "data/blend.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "data/options.h"
#include "parallel/error.h"

namespace bessemer::data {
namespace {

using testing::ElementsAre;

TEST(Blend, SharesAreExactWholeNumbers) {
  EXPECT_THAT(parse_blend("0.7 web, 0.3 code"), ElementsAre(Share{"web", 7}, Share{"code", 3}));
  EXPECT_THAT(parse_blend("70% web,30% code"), ElementsAre(Share{"web", 7}, Share{"code", 3}));
  EXPECT_THAT(parse_blend("3B data/web, 500M data/code"), ElementsAre(Share{"data/web", 6}, Share{"data/code", 1}));
  EXPECT_THAT(parse_blend("0.333 a, 0.667 b"), ElementsAre(Share{"a", 333}, Share{"b", 667}));
  EXPECT_THAT(parse_blend("1.5k a, 2 b"), ElementsAre(Share{"a", 750}, Share{"b", 1}));
  EXPECT_THAT(parse_blend("0.05% a, 1 b"), ElementsAre(Share{"a", 1}, Share{"b", 2000}));
  EXPECT_THAT(parse_blend("1 two words, 2 b"), ElementsAre(Share{"two words", 1}, Share{"b", 2}));
  EXPECT_THAT(parse_blend("web, 2024"), ElementsAre(Share{"web", 0}, Share{"2024", 0}));
}

TEST(Blend, IsWrittenAsItIsRead) {
  for (const char* text : {"7 web, 3 code", "web, code", "1 a b, 2 c"}) EXPECT_EQ(blend_text(parse_blend(text)), text);
}

TEST(Blend, WhatIsNoneIsRefusedInWords) {
  for (const char* bad :
       {"x web, 0.3 code", "0 web, 1 code", "0.0 web", "0.7 web, code", "0.7 web,", ",", "-1 web", "1 a, 2 a",
        "nan web, 1 code", "1e3 web, 2 b", "1000000T a, 0.0000000000000001 b", ". a, 1 b"})
    EXPECT_THROW(parse_blend(bad), Error) << bad;
}

TEST(Blend, SharesBySize) {
  const std::vector<int64_t> tokens{4000, 1000};
  EXPECT_THAT(shares_by_size(tokens, 1), ElementsAre(4u, 1u));
  const auto flat = shares_by_size(tokens, 2);  // square roots: 2 to 1
  EXPECT_EQ(flat[0], 2 * flat[1]);
  const auto steep = shares_by_size(std::vector<int64_t>{10'000'000'000, 9'000'000'000}, 1e-3);
  EXPECT_GT(steep[0], 1'000'000 * steep[1]);
  const auto flatter = shares_by_size(tokens, 1e6);
  EXPECT_NEAR(static_cast<double>(flatter[0]) / static_cast<double>(flatter[1]), 1, 1e-5);
}

TEST(NamedPaths, AreReadAndWritten) {
  EXPECT_THAT(parse_named_paths("web=data/web, code = data/code"),
              ElementsAre(NamedPath{"web", "data/web"}, NamedPath{"code", "data/code"}));
  EXPECT_EQ(named_paths_text(parse_named_paths("a=b, c=d")), "a=b, c=d");
  EXPECT_TRUE(parse_named_paths("").empty());
  for (const char* bad : {"web", "=a", "a=", "a=b,a=c", "a=b,"}) EXPECT_THROW(parse_named_paths(bad), Error) << bad;
}

}  // namespace
}  // namespace bessemer::data
