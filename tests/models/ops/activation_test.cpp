#include "tests/models/ops/activation_cases.h"

namespace bessemer::models::ops {

TEST(Activation, MatchesFp64Reference) { activations_match_reference(at::kCPU); }
TEST(Activation, GeluHoldsOverTheWholeRange) { gelu_holds_over_the_whole_range(at::kCPU); }

}  // namespace bessemer::models::ops
