#include "parallel/random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <vector>

namespace bessemer::parallel {
namespace {

using Words = std::array<uint32_t, 4>;

TEST(Philox, GivesThePublishedAnswers) {  // Random123 1.14, tests/kat_vectors
  EXPECT_EQ(philox({0, 0, 0, 0}, {0, 0}), (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox({~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}), (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(StreamKey, DiffersBySeedPurposeAndIndex) {
  const std::set<uint64_t> keys{
      stream_key(1, "a"),    stream_key(2, "a"),    stream_key(1, "b"),    stream_key(1, ""),
      stream_key(1, "a", 0), stream_key(1, "a", 1), stream_key(1, "b", 0), stream_key(1, "a", uint64_t{1} << 32)};
  EXPECT_EQ(keys.size(), 8u);
}

TEST(Fills, AreFunctionsOfKeyAndIndexOnly) {
  constexpr uint64_t kBegins[] = {0, 1, 3, 255, 256, 1001, (uint64_t{1} << 34) - 7};
  for (const uint64_t begin : kBegins) {
    std::vector<float> whole(1500), part(1500), uniform(1500);
    std::vector<uint8_t> mask(1500), mask_part(1500);
    fill_normal(5, begin, 1.0f, whole);
    fill_uniform(5, begin, uniform);
    fill_keep_mask(5, begin, 0.3f, mask);
    std::size_t at = 0;
    for (std::size_t n = 1; at < part.size(); n = n * 2 + 1) {  // cut into odd pieces
      n = std::min(n, part.size() - at);
      fill_normal(5, begin + at, 1.0f, std::span(part).subspan(at, n));
      fill_keep_mask(5, begin + at, 0.3f, std::span(mask_part).subspan(at, n));
      at += n;
    }
    EXPECT_EQ(part, whole) << begin;
    EXPECT_EQ(mask_part, mask) << begin;
    float one = 0;
    fill_uniform(5, begin + 777, std::span(&one, 1));
    EXPECT_EQ(one, uniform[777]);
    const auto words = philox(
        {static_cast<uint32_t>((begin + 777) / 4), static_cast<uint32_t>((begin + 777) / 4 >> 32), 0, 0}, {5, 0});
    EXPECT_EQ(one, static_cast<float>(words[(begin + 777) % 4] >> 8) / 16777216.0f);
  }
}

TEST(FillNormal, IsBoxMullerToFloatPrecision) {
  std::vector<float> out(4000);
  fill_normal(9, 0, 2.0f, out);
  for (uint32_t pair = 0; pair < 2000; ++pair) {
    const auto words = philox({pair / 2, 0, 0, 0}, {9, 0});
    const double u = ((words[2 * (pair % 2)] >> 1) | 1u) * 0x1p-31;
    const double angle = 2 * M_PI * words[2 * (pair % 2) + 1] * 0x1p-32;
    const double radius = 2 * std::sqrt(-2 * std::log(u));
    EXPECT_NEAR(out[2 * pair], radius * std::cos(angle), 3e-6);
    EXPECT_NEAR(out[2 * pair + 1], radius * std::sin(angle), 3e-6);
  }
}

TEST(FillNormal, HasTheMomentsOfANormalDeviate) {
  std::vector<float> out(1 << 20);
  fill_normal(stream_key(1, "test"), 0, 1.0f, out);
  double moment[5] = {};
  for (const float x : out) {
    for (int p = 1; p <= 4; ++p) moment[p] += std::pow(static_cast<double>(x), p) / static_cast<double>(out.size());
  }
  EXPECT_NEAR(moment[1], 0, 0.005);
  EXPECT_NEAR(moment[2], 1, 0.007);
  EXPECT_NEAR(moment[3], 0, 0.02);
  EXPECT_NEAR(moment[4], 3, 0.05);
  const auto [least, most] = std::minmax_element(out.begin(), out.end());
  EXPECT_LT(*least, -4.2f);
  EXPECT_GT(*most, 4.2f);
}

TEST(FillKeepMask, KeepsWithProbabilityOneMinusP) {
  std::vector<uint8_t> mask(100000);
  for (const float p : {0.0f, 0.1f, 0.5f, 1.0f}) {
    fill_keep_mask(3, 17, p, mask);
    const auto kept = static_cast<double>(std::count(mask.begin(), mask.end(), 1));
    EXPECT_NEAR(kept / 1e5, 1 - p, p == 0.0f || p == 1.0f ? 0 : 0.006) << p;
  }
}

TEST(Permute, IsABijectionThatTheKeyChanges) {
  for (const uint64_t n : {1u, 2u, 3u, 4u, 5u, 17u, 1000u, 1025u}) {
    std::vector<uint64_t> seen(n);
    for (uint64_t i = 0; i < n; ++i) ++seen.at(permute(7, n, i));
    EXPECT_EQ(std::count(seen.begin(), seen.end(), 1u), static_cast<std::ptrdiff_t>(n)) << n;
  }
  int same = 0, fixed = 0;
  for (uint64_t i = 0; i < 1000; ++i) {
    same += permute(7, 1000, i) == permute(8, 1000, i);
    fixed += permute(7, 1000, i) == i;
  }
  EXPECT_LT(same, 8);
  EXPECT_LT(fixed, 8);
  const uint64_t large = (uint64_t{1} << 62) + 3;
  EXPECT_LT(permute(7, large, large - 1), large);
}

}  // namespace
}  // namespace bessemer::parallel
