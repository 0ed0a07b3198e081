#include "tests/models/ops/attention_cases.h"

namespace bessemer::models::ops {

TEST(Attention, MatchesFp64Reference) { attention_matches_reference(at::kCPU); }
TEST(PackedAttention, MatchesFp64Reference) { packed_attention_matches_reference(at::kCPU); }

TEST(PackedAttention, KeepsDocumentsApart) { packed_attention_keeps_documents_apart(at::kCPU); }

TEST(PackedAttention, SeesPrefixesWhole) { packed_attention_sees_prefixes(at::kCPU); }

TEST(PackedAttention, OfOneDocumentSeesNothingOfAnother) {
  at::manual_seed(17);
  const int64_t s = 150;
  const auto starts = random_starts(1, s);
  const auto qkv = at::randn({s, 1, 3 * 32});
  const int64_t begin = starts[0][100].item<int64_t>(), end = (starts[0] == begin).nonzero().max().item<int64_t>() + 1;
  auto changed = qkv.clone();
  changed.narrow(0, 0, begin).normal_(), changed.narrow(0, end, s - end).normal_();
  for (const double p : {0.0, 0.25}) {
    const auto ours = [&](const at::Tensor& x) {
      return packed_attention(x, 2, 2, {true, starts}, {p, 3, 0, 0, 2}).narrow(0, begin, end - begin);
    };
    EXPECT_TRUE(at::equal(ours(qkv), ours(changed)));
  }
}

TEST(PackedAttention, DropsTheSameAsTheComposedPath) {
  at::manual_seed(14);
  const AttentionDropout dropout{0.25, 77, 3, 2, 8};
  auto ours = at::randn({37, 2, 8 * 16}).requires_grad_();  // 4 heads, 2 key heads
  auto theirs = ours.detach().clone().requires_grad_();
  const auto split = theirs.view({37, 2, 8, 16}).split_with_sizes({4, 2, 2}, 2);
  const auto starts = random_starts(2, 37), ends = random_ends(starts);
  const auto got = packed_attention(ours, 4, 2, {true, starts, ends}, dropout);
  const auto want = attention(split[0], split[1], split[2], {true, starts, ends}, dropout);
  const auto dy = at::randn_like(want);
  got.backward(dy);
  want.backward(dy);
  expect_close(got, want.detach(), 1e-5, "output");
  expect_close(ours.grad(), theirs.grad(), 1e-5, "gradient");
  EXPECT_GT((got - packed_attention(ours, 4, 2, {true, starts})).abs().max().item<double>(), 0.1)
      << "nothing was dropped";
}

/// Row 1 and heads 2, 3 alone get the bits that they get inside the whole.
TEST(PackedAttention, DropsTheSameOnEveryLayout) {
  at::manual_seed(15);
  const auto whole = at::randn({9, 2, 3, 4, 8});  // [s, b, q | k | v, a, d]
  const auto part = whole.narrow(1, 1, 1).narrow(3, 2, 2);
  const auto all = packed_attention(whole.reshape({9, 2, 96}), 4, 4, {true}, {0.5, 5, 0, 0, 4}).view({9, 2, 4, 8});
  const auto ours = packed_attention(part.reshape({9, 1, 48}), 2, 2, {true}, {0.5, 5, 1, 2, 4}).view({9, 1, 2, 8});
  EXPECT_TRUE(at::equal(ours, all.narrow(1, 1, 1).narrow(2, 2, 2)));
}

}  // namespace bessemer::models::ops
