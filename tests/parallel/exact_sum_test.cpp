#include "parallel/exact_sum.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace bessemer::parallel {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kTiny = std::numeric_limits<double>::denorm_min();
constexpr double kHuge = std::numeric_limits<double>::max();

double exact_sum(const std::vector<double>& values) {
  ExactSum sum;
  for (const double v : values) sum.add(v);
  return sum.value();
}

TEST(ExactSum, OfNothingIsZero) { EXPECT_EQ(ExactSum().value(), 0.0); }

TEST(ExactSum, ReturnsAnySingleValue) {
  for (const double v :
       {1.0, -1.5, 0.1, 1e300, kHuge, -kHuge, kTiny, -kTiny, 2.2250738585072014e-308, 2.2250738585072009e-308}) {
    EXPECT_EQ(exact_sum({v}), v);
  }
}

TEST(ExactSum, CancelsExactly) {
  EXPECT_EQ(exact_sum({1e300, 1.0, -1e300}), 1.0);
  EXPECT_EQ(exact_sum({kHuge, kTiny, -kHuge}), kTiny);
  EXPECT_EQ(exact_sum({kHuge, kHuge, -kHuge, -kHuge}), 0.0);
  EXPECT_EQ(exact_sum({-1.0, -0x1p-60, 1.0}), -0x1p-60);
}

TEST(ExactSum, RoundsOnceToNearestEven) {
  EXPECT_EQ(exact_sum({1.0, 0x1p-53}), 1.0);                      // a tie, to even
  EXPECT_EQ(exact_sum({1.0, 0x1p-53, kTiny}), 1.0 + 0x1p-52);     // just above it
  EXPECT_EQ(exact_sum({1.0 + 0x1p-52, 0x1p-53}), 1.0 + 0x1p-51);  // a tie, to even, upwards
  EXPECT_EQ(exact_sum({-1.0, -0x1p-53, -kTiny}), -1.0 - 0x1p-52);
  EXPECT_EQ(exact_sum({2.0 - 0x1p-52, 0x1p-53}), 2.0);  // carries into the exponent
}

TEST(ExactSum, OverflowsToInfinityOnlyInTheEnd) {
  EXPECT_EQ(exact_sum({kHuge, kHuge}), kInf);
  EXPECT_EQ(exact_sum({kHuge, kHuge, -kHuge}), kHuge);
}

TEST(ExactSum, RemembersInfinitiesAndNans) {
  EXPECT_EQ(exact_sum({kInf, 1.0, -kHuge}), kInf);
  EXPECT_EQ(exact_sum({-kInf, 1.0}), -kInf);
  EXPECT_TRUE(std::isnan(exact_sum({kInf, -kInf})));
  EXPECT_TRUE(std::isnan(exact_sum({std::nan(""), 1.0})));
}

TEST(ExactSum, DoesNotDependOnOrderOrCut) {
  std::mt19937_64 random(1);
  std::vector<double> values;
  for (int i = 0; i < 3000; ++i) {
    values.push_back(
        std::ldexp(static_cast<double>(static_cast<int64_t>(random())), static_cast<int>(random() % 1900) - 1000));
  }
  const double want = exact_sum(values);
  for (int ranks : {1, 2, 3, 7}) {
    std::shuffle(values.begin(), values.end(), random);
    std::array<int64_t, ExactSum::kWords> total{};
    ExactSum merged;
    for (int r = 0; r < ranks; ++r) {
      ExactSum part;
      for (std::size_t i = static_cast<std::size_t>(r); i < values.size(); i += static_cast<std::size_t>(ranks))
        part.add(values[i]);
      const auto words = part.words();
      for (std::size_t i = 0; i < words.size(); ++i) total[i] += words[i];
      merged.add(part);
    }
    EXPECT_EQ(ExactSum::from_words(total).value(), want) << ranks;
    EXPECT_EQ(merged.value(), want) << ranks;
  }
}

TEST(ExactSum, MatchesAWiderReference) {
  std::mt19937_64 random(2);
  for (int trial = 0; trial < 200; ++trial) {
    ExactSum sum;
    __int128 reference = 0;  // in units of 2^-40: exact for these values
    for (int i = 0; i < 100; ++i) {
      const auto m = static_cast<int64_t>(random()) >> 12;  // 52 bits
      const int shift = static_cast<int>(random() % 60);
      sum.add(std::ldexp(static_cast<double>(m), shift - 40));
      reference += static_cast<__int128>(m) << shift;
    }
    EXPECT_EQ(sum.value(), std::ldexp(static_cast<double>(reference), -40));  // the conversion rounds once
  }
}

}  // namespace
}  // namespace bessemer::parallel
