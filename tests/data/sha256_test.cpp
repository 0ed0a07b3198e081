#include "data/sha256.h"

#include <gtest/gtest.h>

#include <string>

namespace bessemer::data {
namespace {

class Sha256Test : public testing::TestWithParam<bool> {
 protected:
  static std::string of(std::string_view text) {
    Sha256 hash(GetParam());
    hash.update(text);
    return hash.hex();
  }
};
INSTANTIATE_TEST_SUITE_P(BothWays, Sha256Test, testing::Values(false, Sha256::processor_has_sha()));

TEST_P(Sha256Test, GivesTheKnownAnswersOfFips180) {
  EXPECT_EQ(of(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(of("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(of(std::string(1000000, 'a')), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST_P(Sha256Test, DoesNotDependOnHowTheBytesAreCut) {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += static_cast<char>(i * 37);
  for (std::size_t length : {0, 1, 55, 56, 63, 64, 65, 127, 128, 1000}) {
    for (std::size_t piece : {1, 3, 63, 64, 65}) {
      Sha256 hash(GetParam());
      for (std::size_t i = 0; i < length; i += piece)
        hash.update(std::string_view(text).substr(0, length).substr(i, piece));
      EXPECT_EQ(hash.hex(), of(std::string_view(text).substr(0, length))) << length << " " << piece;
    }
  }
}

TEST(Sha256Fast, EqualsThePortableCode) {
  for (std::size_t length : {0, 1, 64, 100, 4096, 100001}) {
    Sha256 slow(false), fast;
    const std::string text(length, '\x9d');
    slow.update(text), fast.update(text);
    EXPECT_EQ(slow.hex(), fast.hex()) << length;
  }
}

}  // namespace
}  // namespace bessemer::data
