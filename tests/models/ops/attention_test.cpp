#include "tests/models/ops/attention_cases.h"

namespace bessemer::models::ops {

TEST(Attention, MatchesFp64Reference) { attention_matches_reference(at::kCPU); }
TEST(PackedAttention, MatchesFp64Reference) { packed_attention_matches_reference(at::kCPU); }

}  // namespace bessemer::models::ops
