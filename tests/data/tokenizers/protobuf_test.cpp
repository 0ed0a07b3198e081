#include "data/tokenizers/protobuf.h"

#include <gtest/gtest.h>

#include "parallel/error.h"
#include "tests/support/sentencepiece_writer.h"

namespace bessemer::data {
namespace {

const std::string kName = "a.model";

void read_all(std::string_view bytes) {
  for (ProtobufReader in(bytes, kName); in.next();) {
  }
}

TEST(Protobuf, ReadsWhatWasWritten) {
  tests::ProtobufWriter out;
  out.integer(1, -1).integer(100, 300).number(2, -1.5f).bytes(3, "text").bytes(4, "");
  ProtobufReader in(out.text(), kName);
  ASSERT_TRUE(in.next());
  EXPECT_EQ(in.integer(), -1);
  ASSERT_TRUE(in.next());
  EXPECT_EQ(in.field(), 100u);
  EXPECT_EQ(in.integer(), 300);
  ASSERT_TRUE(in.next());
  EXPECT_EQ(in.number(), -1.5f);
  EXPECT_THROW(in.integer(), Error);
  ASSERT_TRUE(in.next());
  EXPECT_EQ(in.bytes(), "text");
  EXPECT_THROW(in.number(), Error);
  ASSERT_TRUE(in.next());
  EXPECT_EQ(in.bytes(), "");
  EXPECT_FALSE(in.next());
}

TEST(Protobuf, RefusesWhatIsCutOrNoMessage) {
  tests::ProtobufWriter out;
  out.bytes(3, "text");
  for (std::size_t n = 1; n < out.text().size(); ++n) EXPECT_THROW(read_all(out.text().substr(0, n)), Error) << n;
  EXPECT_THROW(read_all(std::string("\x00", 1)), Error);                              // field 0
  EXPECT_THROW(read_all("\x0B"), Error);                                              // a group
  EXPECT_THROW(read_all("\x08\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01"), Error);  // a number of 11 bytes
  EXPECT_THROW(read_all("\x0A\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01"), Error);      // 2^64 - 1 bytes
  EXPECT_THROW(read_all("\x09"
                        "1234567"),
               Error);
}

}  // namespace
}  // namespace bessemer::data
