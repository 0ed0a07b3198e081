#include "tests/models/ops/embedding_cases.h"

namespace bessemer::models::ops {

TEST(Embedding, MatchesFp64Reference) { embedding_matches_reference(at::kCPU); }
TEST(Embedding, SlicesOfTheVocabularyAddUp) { embedding_splits_add_up(at::kCPU); }
TEST(Embedding, TenThousandOnesAreTenThousand) { embedding_sums_in_fp32(at::kCPU); }
TEST(Positions, MatchFp64Reference) { positions_match_reference(at::kCPU); }

}  // namespace bessemer::models::ops
