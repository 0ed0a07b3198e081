#include "data/crc32c.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace bessemer::data {
namespace {

using Function = uint32_t (*)(const void*, std::size_t, uint32_t);
class Crc32c : public testing::TestWithParam<Function> {
 protected:
  uint32_t of(const std::string& text) const { return GetParam()(text.data(), text.size(), 0); }
};
INSTANTIATE_TEST_SUITE_P(BothWays, Crc32c, testing::Values(&crc32c, &crc32c_portable));

TEST_P(Crc32c, GivesTheKnownAnswersOfRfc3720) {
  EXPECT_EQ(of(""), 0u);
  EXPECT_EQ(of("123456789"), 0xE3069283u);
  EXPECT_EQ(of(std::string(32, '\0')), 0x8A9136AAu);
  EXPECT_EQ(of(std::string(32, '\xFF')), 0x62A8AB43u);
  std::string up;
  for (int i = 0; i < 32; ++i) up += static_cast<char>(i);
  EXPECT_EQ(of(up), 0x46DD794Eu);
}

std::vector<unsigned char> noise(std::size_t bytes) {
  std::vector<unsigned char> data(bytes);
  uint32_t x = 1;
  for (auto& byte : data) x = x * 1664525u + 1013904223u, byte = static_cast<unsigned char>(x >> 24);
  return data;
}

TEST(Crc32cFast, EqualsTheTablesAtEveryLengthAndStart) {
  const auto data = noise(20000);
  for (std::size_t start : {0, 1, 7}) {
    for (std::size_t n : {0, 1, 7, 8, 9, 63, 6143, 6144, 6145, 12288, 12289, 19993}) {
      EXPECT_EQ(crc32c(data.data() + start, n), crc32c_portable(data.data() + start, n)) << start << " " << n;
    }
  }
}

TEST_P(Crc32c, OfTwoPartsEqualsThatOfTheWhole) {
  const auto data = noise(9001);
  const uint32_t whole = GetParam()(data.data(), data.size(), 0);
  for (std::size_t cut : {0, 1, 4097, 9000, 9001}) {
    const uint32_t first = GetParam()(data.data(), cut, 0);
    EXPECT_EQ(GetParam()(data.data() + cut, data.size() - cut, first), whole) << cut;
  }
}

}  // namespace
}  // namespace bessemer::data
