// The bodies of the CPU tests on a GPU.
#include "tests/models/ops/activation_cases.h"
#include "tests/models/ops/attention_cases.h"
#include "tests/models/ops/cross_entropy_cases.h"
#include "tests/models/ops/embedding_cases.h"
#include "tests/models/ops/linear_cases.h"
#include "tests/models/ops/norm_cases.h"
#include "tests/models/ops/rotary_cases.h"

namespace bessemer::models::ops {

TEST(OpsOnGpu, LinearMatchesFp64Reference) { linear_matches_reference(at::kCUDA); }
TEST(OpsOnGpu, NormMatchesFp64Reference) { norm_matches_reference(at::kCUDA); }
TEST(OpsOnGpu, NormSumsSixteenBitRowsInThirtyTwoBits) { norm_sums_in_fp32(at::kCUDA); }
TEST(OpsOnGpu, AddNormMatchesFp64Reference) { add_norm_matches_reference(at::kCUDA); }
TEST(OpsOnGpu, AddNormTakesOneGradientOfTwo) { add_norm_takes_one_gradient(at::kCUDA); }
TEST(OpsOnGpu, ActivationsMatchFp64Reference) { activations_match_reference(at::kCUDA); }
TEST(OpsOnGpu, GeluHoldsOverTheWholeRange) { gelu_holds_over_the_whole_range(at::kCUDA); }
TEST(OpsOnGpu, EmbeddingMatchesFp64Reference) { embedding_matches_reference(at::kCUDA); }
TEST(OpsOnGpu, EmbeddingSlicesAddUp) { embedding_splits_add_up(at::kCUDA); }
TEST(OpsOnGpu, EmbeddingOfTenThousandOnesIsTenThousand) { embedding_sums_in_fp32(at::kCUDA); }
TEST(OpsOnGpu, PositionsMatchFp64Reference) { positions_match_reference(at::kCUDA); }
TEST(OpsOnGpu, RotaryMatchesComplexReference) { rotary_matches_reference(at::kCUDA); }
TEST(OpsOnGpu, CrossEntropyMatchesFp64Reference) { check_cross_entropies(at::kCUDA, parallel::Group()); }
TEST(OpsOnGpu, AttentionMatchesFp64Reference) { attention_matches_reference(at::kCUDA); }
TEST(OpsOnGpu, PackedAttentionMatchesFp64Reference) { packed_attention_matches_reference(at::kCUDA); }
TEST(OpsOnGpu, PackedAttentionKeepsDocumentsApart) { packed_attention_keeps_documents_apart(at::kCUDA); }

}  // namespace bessemer::models::ops
