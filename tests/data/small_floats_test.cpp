#include "data/small_floats.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

namespace bessemer::data {
namespace {

TEST(SmallFloats, EveryPatternGoesToFp32AndBack) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const auto pattern = static_cast<uint16_t>(bits);
    const float half = float_of_half(pattern), brain = float_of_bfloat16(pattern);
    EXPECT_TRUE(std::isnan(half) ? std::isnan(float_of_half(half_of_float(half))) : half_of_float(half) == pattern)
        << bits;
    EXPECT_TRUE(std::isnan(brain) ? std::isnan(float_of_bfloat16(bfloat16_of_float(brain)))
                                  : bfloat16_of_float(brain) == pattern)
        << bits;
  }
}

TEST(SmallFloats, KnownValues) {
  EXPECT_EQ(float_of_half(0x3c00), 1.0f);
  EXPECT_EQ(float_of_half(0x7bff), 65504.0f);
  EXPECT_EQ(float_of_half(0x0001), std::ldexp(1.0f, -24));
  EXPECT_EQ(float_of_half(0xc000), -2.0f);
  EXPECT_EQ(float_of_bfloat16(0x3f80), 1.0f);
}

TEST(SmallFloats, RoundsToTheNearestTiesToEven) {
  const float step = std::ldexp(1.0f, -10);  // of fp16 behind 1
  EXPECT_EQ(half_of_float(1.0f + 0.5f * step), 0x3c00);
  EXPECT_EQ(half_of_float(1.0f + 1.5f * step), 0x3c02);
  EXPECT_EQ(half_of_float(1.0f + 0.51f * step), 0x3c01);
  EXPECT_EQ(half_of_float(65519.0f), 0x7bff);
  EXPECT_EQ(half_of_float(65520.0f), 0x7c00);
  EXPECT_EQ(half_of_float(std::ldexp(1.0f, -25)), 0x0000);
  EXPECT_EQ(half_of_float(std::ldexp(3.0f, -25)), 0x0002);
  EXPECT_EQ(half_of_float(std::ldexp(1.0f, -14) - std::ldexp(1.0f, -26)), 0x0400);  // rounds up to a normal number
  EXPECT_EQ(half_of_float(-std::numeric_limits<float>::infinity()), 0xfc00);
  EXPECT_EQ(bfloat16_of_float(std::bit_cast<float>(0x3f808000u)), 0x3f80);
  EXPECT_EQ(bfloat16_of_float(std::bit_cast<float>(0x3f818000u)), 0x3f82);
}

}  // namespace
}  // namespace bessemer::data
