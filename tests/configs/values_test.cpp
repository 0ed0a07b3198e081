#include "configs/values.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "parallel/error.h"

namespace bessemer::configs {
namespace {

using testing::HasSubstr;

std::string refusal(const auto& parse, const std::string& text) {
  try {
    (void)parse(text);
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::kUsage);
    return e.what();
  }
  return "accepted";
}

TEST(Count, ReadsSuffixesAndExponents) {
  EXPECT_EQ(parse_count("0"), 0);
  EXPECT_EQ(parse_count("512"), 512);
  EXPECT_EQ(parse_count("512k"), 512000);
  EXPECT_EQ(parse_count("2M"), 2000000);
  EXPECT_EQ(parse_count("1.5k"), 1500);
  EXPECT_EQ(parse_count("4Ki"), 4096);
  EXPECT_EQ(parse_count("1e9"), 1000000000);
  EXPECT_EQ(parse_count("9223372036854775807"), std::numeric_limits<int64_t>::max());
}

TEST(Count, RefusesWhatIsNoneAndShowsHowToWriteIt) {
  EXPECT_THAT(refusal(parse_count, "-1"), HasSubstr("'-1' is negative; write a count such as 512, 512k, 2M or 1e9"));
  EXPECT_THAT(refusal(parse_count, "abc"), HasSubstr("'abc' is not a count"));
  EXPECT_THAT(refusal(parse_count, ""), HasSubstr("'' is not a count"));
  EXPECT_THAT(refusal(parse_count, "1.5"), HasSubstr("'1.5' is not a whole number"));
  EXPECT_THAT(refusal(parse_count, "3x"), HasSubstr("'x' is not one of k, M"));
  EXPECT_THAT(refusal(parse_count, "1e30"), HasSubstr("too large"));
  EXPECT_THAT(refusal(parse_count, "inf"), HasSubstr("not a count"));
  EXPECT_THAT(refusal(parse_count, "nan"), HasSubstr("not a count"));
}

TEST(Seed, ReadsAllOfSixtyFourBits) {
  EXPECT_EQ(parse_seed("18446744073709551615"), std::numeric_limits<uint64_t>::max());
  EXPECT_THAT(refusal(parse_seed, "18446744073709551616"), HasSubstr("is not a seed"));
  EXPECT_THAT(refusal(parse_seed, "-1"), HasSubstr("is not a seed"));
  EXPECT_THAT(refusal(parse_seed, "1k"), HasSubstr("is not a seed"));
}

TEST(Duration, AddsItsParts) {
  EXPECT_EQ(parse_duration("90"), 90);
  EXPECT_EQ(parse_duration("90s"), 90);
  EXPECT_EQ(parse_duration("2h"), 7200);
  EXPECT_EQ(parse_duration("1h30m"), 5400);
  EXPECT_EQ(parse_duration("1.5d"), 129600);
  EXPECT_THAT(refusal(parse_duration, "1h30"), HasSubstr("'1h30' is not a duration"));
  EXPECT_THAT(refusal(parse_duration, "2 weeks"), HasSubstr("write seconds or a duration such as 90s"));
  EXPECT_THAT(refusal(parse_duration, "-5s"), HasSubstr("negative"));
}

TEST(Bytes, KnowsBothFamiliesOfUnits) {
  EXPECT_EQ(parse_bytes("4096"), 4096);
  EXPECT_EQ(parse_bytes("16K"), 16384);
  EXPECT_EQ(parse_bytes("16MiB"), 16 << 20);
  EXPECT_EQ(parse_bytes("64MB"), 64000000);
  EXPECT_EQ(parse_bytes("0.5GiB"), 1 << 29);
  EXPECT_THAT(refusal(parse_bytes, "3x"), HasSubstr("unknown unit 'x'"));
  EXPECT_THAT(refusal(parse_bytes, "-1K"), HasSubstr("negative"));
}

TEST(Fraction, IsAShareOrAPercentage) {
  EXPECT_EQ(parse_fraction("0.1"), 0.1);
  EXPECT_EQ(parse_fraction("10%"), 0.1);
  EXPECT_THAT(refusal(parse_fraction, "1.5"), HasSubstr("write one from 0 to 1, such as 0.1 or 10%"));
  EXPECT_THAT(refusal(parse_fraction, "-0.1"), HasSubstr("from 0 to 1"));
}

TEST(Switch, TakesEightSpellingsInAnyCase) {
  for (const char* yes : {"on", "Yes", "TRUE", "1"}) EXPECT_TRUE(parse_switch(yes));
  for (const char* no : {"off", "No", "FALSE", "0"}) EXPECT_FALSE(parse_switch(no));
  EXPECT_THAT(refusal(parse_switch, "maybe"), HasSubstr("'maybe' is neither yes nor no"));
}

TEST(RealText, ReadsBackAsTheSameBits) {
  for (const double x : {0.1, 1.0 / 3, 3e-4, 65536.0, 1e-300, 5e-324, 1.7976931348623157e308, -1.0}) {
    EXPECT_EQ(parse_real(real_text(x)), x);
  }
}

TEST(BytesText, PicksTheUnit) {
  EXPECT_EQ(bytes_text(512), "512 B");
  EXPECT_EQ(bytes_text(1536), "1.5 KiB");
  EXPECT_EQ(bytes_text(2147483648.0), "2.0 GiB");
}

}  // namespace
}  // namespace bessemer::configs
