#include "tests/models/ops/rotary_cases.h"

namespace bessemer::models::ops {

TEST(Rotary, MatchesComplexReference) { rotary_matches_reference(at::kCPU); }

TEST(Rotary, SlicesOfTheSequenceAreThoseOfTheWhole) {
  at::manual_seed(10);
  const auto x = at::randn({9, 1, 2, 16});
  EXPECT_TRUE(at::equal(rotary(x, 0, 10000.0).narrow(0, 4, 5), rotary(x.narrow(0, 4, 5).contiguous(), 4, 10000.0)));
}

}  // namespace bessemer::models::ops
