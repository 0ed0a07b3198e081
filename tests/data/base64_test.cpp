#include "data/base64.h"

#include <gtest/gtest.h>

#include "parallel/error.h"

namespace bessemer::data {

TEST(Base64, GivesTheExamplesOfRfc4648) {
  const std::pair<const char*, const char*> examples[] = {{"", ""},
                                                          {"f", "Zg=="},
                                                          {"fo", "Zm8="},
                                                          {"foo", "Zm9v"},
                                                          {"foob", "Zm9vYg=="},
                                                          {"fooba", "Zm9vYmE="},
                                                          {"foobar", "Zm9vYmFy"}};
  for (const auto& [bytes, text] : examples) {
    EXPECT_EQ(base64_encode(bytes), text);
    EXPECT_EQ(base64_decode(text), bytes);
  }
}

TEST(Base64, BringsBackEveryByte) {
  std::string bytes;
  for (int i = 0; i < 1000; ++i) {
    EXPECT_EQ(base64_decode(base64_encode(bytes)), bytes);
    bytes += static_cast<char>(i * 37);
  }
}

TEST(Base64, RefusesWhatIsNone) {
  for (const char* bad : {"Zg=", "Zg", "Z===", "=Zg=", "Zm9v\n", "Zm9*", "Zg==Zg=="})
    EXPECT_THROW(base64_decode(bad), Error) << bad;
}

}  // namespace bessemer::data
