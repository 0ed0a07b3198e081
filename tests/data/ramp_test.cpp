#include "data/ramp.h"

#include <gtest/gtest.h>

#include "parallel/error.h"

namespace bessemer::data {

TEST(Ramp, IsTheSumOfItsStages) {
  const Ramp ramp({{4, 3}, {8, 1}, {2, 2}}, 16);
  int64_t sum = 0;
  for (int64_t step = 0; step < 12; ++step) {
    EXPECT_EQ(ramp.before(step), sum);
    EXPECT_EQ(ramp.at(step), step < 3 ? 4 : step < 4 ? 8 : step < 6 ? 2 : 16);
    sum += ramp.at(step);
  }
  EXPECT_EQ(Ramp({}, 3).at(0), 3);
  EXPECT_EQ(Ramp({}, 3).before(1'000'000'000'000), 3'000'000'000'000);
}

TEST(Stages, AreReadAndWritten) {
  EXPECT_EQ(parse_stages("64x500, 128x1000"), (std::vector<Stage>{{64, 500}, {128, 1000}}));
  EXPECT_EQ(parse_stages(" 1 x 2 "), (std::vector<Stage>{{1, 2}}));
  EXPECT_TRUE(parse_stages("").empty());
  EXPECT_EQ(stages_text({{64, 500}, {128, 1000}}), "64x500, 128x1000");
  for (const char* bad : {"64", "64x", "x5", "64x0", "0x5", "-1x5", "64x500,", "64x500;2x3", "a", "64x5000000000000"})
    EXPECT_THROW(parse_stages(bad), Error) << bad;
}

}  // namespace bessemer::data
