// The bodies of the CPU tests on a GPU.
#include "models/ops/dropout.h"
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
TEST(OpsOnGpu, PackedAttentionSeesPrefixesWhole) { packed_attention_sees_prefixes(at::kCUDA); }
TEST(OpsOnGpu, PackedAttentionKeepsDocumentsApart) { packed_attention_keeps_documents_apart(at::kCUDA); }

/// The values and gradients of `op` on a GPU are those of the CPU, which draws the same masks.
void expect_as_on_cpu(const Op& op, const std::vector<at::Tensor>& inputs, double tolerance) {
  std::vector<at::Tensor> here, there;
  for (const auto& x : inputs) {
    here.push_back(x.clone().requires_grad_());
    there.push_back(x.to(at::kCUDA).requires_grad_());
  }
  const auto want = op(here), got = op(there);
  const auto dy = at::randn(want.sizes(), want.options());
  want.backward(dy);
  got.backward(dy.to(at::kCUDA));
  expect_close(got, want.detach(), tolerance, "output");
  for (std::size_t i = 0; i < inputs.size(); ++i)
    expect_close(there[i].grad(), here[i].grad(), tolerance, "gradient " + std::to_string(i));
}

TEST(OpsOnGpu, BiasGradientsAreSumsOfManyStripsOfRows) {
  at::manual_seed(20);
  for (auto [rows, out] : {std::pair{1300, 70}, {512, 128}, {513, 3}, {5000, 260}}) {
    const Op op = [](const auto& x) { return ops::linear(x[0], x[1], x[2]); };
    const Op reference = [](const auto& x) { return at::addmm(x[2], x[0], x[1].t()); };
    for (auto dtype : dtypes())
      expect_matches(op, reference, {random({rows, 8}), random({out, 8}), random({out})}, dtype, at::kCUDA);
  }
}

TEST(OpsOnGpu, DropoutHasTheCpusBits) {
  at::manual_seed(21);
  for (auto [s, b, h] : {std::array{1, 1, 1}, {7, 3, 5}, {33, 2, 64}, {64, 5, 770}, {0, 2, 8}}) {
    for (double p : {0.1, 0.5, 0.99}) {
      const DropoutPlace place{77, 3, 2, 100};
      const Op op = [&](const auto& x) { return ops::dropout(x[0], p, place); };
      expect_as_on_cpu(op, {at::randn({s, b, h})}, 1e-6);
      EXPECT_TRUE(at::equal(ops::dropout(at::ones({s, b, h}), p, place).ne(0),
                            ops::dropout(at::ones({s, b, h}, at::kCUDA), p, place).cpu().ne(0)));
    }
  }
}

TEST(OpsOnGpu, AttentionWithDropoutHasTheCpusMasks) {
  at::manual_seed(22);
  const AttentionCase cases[]{{1, 1, 1, 1, 1, 8}, {5, 5, 2, 3, 3, 8}, {64, 64, 2, 4, 2, 32}, {130, 130, 1, 2, 1, 64}};
  for (auto dtype : dtypes()) {
    for (bool causal : {true, false}) {
      for (bool documents : {true, false}) {
        for (const auto& c : cases) {
          const auto starts = documents ? random_starts(c.b, c.queries) : at::Tensor();
          const Op op = [&](const auto& x) {
            const auto mask = AttentionMask{causal, starts.defined() ? starts.to(x[0].device()) : starts};
            return packed_attention(x[0], c.heads, c.kv_heads, mask, {0.25, 5, 3, 1, c.heads + 1});
          };
          expect_as_on_cpu(op, {at::randn({c.queries, c.b, (c.heads + 2 * c.kv_heads) * c.d}).to(dtype)},
                           tolerance(dtype));
        }
      }
    }
  }
}

}  // namespace bessemer::models::ops
