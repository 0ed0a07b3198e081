#include "tests/models/ops/norm_cases.h"

namespace bessemer::models::ops {

TEST(Norm, MatchesFp64Reference) { norm_matches_reference(at::kCPU); }
TEST(Norm, SumsSixteenBitRowsInThirtyTwoBits) { norm_sums_in_fp32(at::kCPU); }
TEST(AddNorm, MatchesFp64Reference) { add_norm_matches_reference(at::kCPU); }
TEST(AddNorm, TakesOneGradientOfTwo) { add_norm_takes_one_gradient(at::kCPU); }

}  // namespace bessemer::models::ops
