#include "data/safetensors_header.h"

#include <gmock/gmock.h>

#include <limits>

#include "parallel/error.h"

namespace bessemer::data {
namespace {

using testing::HasSubstr;

std::string entry(const std::string& name, const std::string& dtype, const std::string& shape, const std::string& at) {
  return "\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape + ",\"data_offsets\":" + at + "}";
}

void expect_refused(const std::string& text, uint64_t bytes, const std::string& words) {
  try {
    parse_safetensors_header(text, bytes, "bad.safetensors");
    ADD_FAILURE() << "was read: " << text;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kBadData);
    EXPECT_THAT(error.what(), testing::AllOf(HasSubstr("bad.safetensors"), HasSubstr(words))) << text;
  }
}

TEST(SafetensorsHeader, ReadsWhatTheFormatAllows) {
  const auto header = parse_safetensors_header(
      "{\"__metadata__\":{\"format\":\"pt\"}," + entry("b", "BF16", "[2,3]", "[4,16]") + "," +
          entry("a", "F32", "[]", "[0,4]") + "," + entry("none", "I64", "[0,5]", "[16,16]") + "}   ",
      16, "good.safetensors");
  ASSERT_EQ(header.tensors.size(), 3u);
  EXPECT_EQ(header.tensors[0].name, "a");
  EXPECT_TRUE(header.tensors[0].shape.empty());
  EXPECT_EQ(header.tensors[1].shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(header.tensors[2].bytes(), 0u);
  EXPECT_EQ(header.metadata.at("format"), "pt");
  EXPECT_TRUE(parse_safetensors_header("{}", 0, "empty").tensors.empty());
}

TEST(SafetensorsHeader, RefusesClaimsThatTheFileDoesNotBearOut) {
  expect_refused("{" + entry("a", "F32", "[2]", "[0,4]") + "}", 4, "8");
  expect_refused("{" + entry("a", "F32", "[2]", "[0,8]") + "}", 4, "are not in the file");
  expect_refused("{" + entry("a", "F32", "[1]", "[8,4]") + "}", 8, "are not in the file");
  expect_refused("{" + entry("a", "F32", "[1]", "[4,8]") + "}", 8, "holes");
  expect_refused("{" + entry("a", "F32", "[1]", "[0,4]") + "," + entry("b", "F32", "[1]", "[8,12]") + "}", 12, "holes");
  expect_refused("{" + entry("a", "F32", "[2]", "[0,8]") + "," + entry("b", "F32", "[2]", "[4,12]") + "}", 12,
                 "overlaps");
  expect_refused("{" + entry("a", "F32", "[1]", "[0,4]") + "}", 8, "appended");
  expect_refused("{}", 1, "appended");
  expect_refused("{" + entry("a", "F99", "[1]", "[0,4]") + "}", 4, "F99");
  expect_refused("{" + entry("a", "F4", "[3]", "[0,1]") + "}", 1, "inside of a byte");
}

TEST(SafetensorsHeader, NoProductOfDimensionsWraps) {
  expect_refused("{" + entry("a", "F32", "[4294967296,4294967296]", "[0,0]") + "}", 0, "larger than any file");
  expect_refused("{" + entry("a", "U8", "[9223372036854775807,2]", "[0,18446744073709551614]") + "}", 4,
                 "are not in the file");
  expect_refused("{" + entry("a", "U8", "[18446744073709551615]", "[0,4]") + "}", 4, "a dimension of");
  std::string many = "[2";
  for (int i = 0; i < 300; ++i) many += ",2";
  expect_refused("{" + entry("a", "F32", many + "]", "[0,0]") + "}", 0, "larger than any file");
}

TEST(SafetensorsHeader, RefusesWhatIsNoHeader) {
  expect_refused("", 0, "does not begin");
  expect_refused(" {}", 0, "does not begin");
  expect_refused("{", 0, "not JSON");
  expect_refused("{} x", 0, "not JSON");
  expect_refused("{\"a\xff\":1}", 0, "not JSON");  // no UTF-8
  expect_refused("{\"a\":1}", 0, "out of place");
  expect_refused("{\"a\":{}}", 0, "no dtype");
  expect_refused("{\"a\":{\"dtype\":{}}}", 0, "too deep");
  expect_refused("{" + entry("a", "F32", "[-1]", "[0,4]") + "}", 4, "-1");
  expect_refused("{" + entry("a", "F32", "[1.5]", "[0,4]") + "}", 4, "1.5");
  expect_refused("{" + entry("a", "F32", "[[1]]", "[0,4]") + "}", 4, "out of place");
  expect_refused("{" + entry("a", "F32", "[1]", "[0,4,4]") + "}", 4, "data_offsets");
  expect_refused("{" + entry("a", "F32", "[1]", "[4]") + "}", 4, "data_offsets");
  expect_refused("{\"__metadata__\":{\"a\":1}}", 0, "out of place");
  expect_refused("{\"a\":" + std::string(100000, '['), 0, "out of place");
}

TEST(SafetensorsHeader, RefusesKeysThatComeTwice) {
  const std::string a = entry("a", "F32", "[1]", "[0,4]");
  expect_refused("{" + a + "," + a + "}", 4, "'a' twice");
  expect_refused("{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "twice");
}

TEST(SafetensorsHeader, WritesLargerElementsFirstThenByName) {
  std::vector<SafeTensor> tensors{{"z", "F32", {2}}, {"b", "BF16", {3}}, {"a", "F32", {}}, {"q", "I64", {1}}};
  const std::string bytes = make_safetensors_header(tensors, {{"format", "pt"}});
  EXPECT_EQ(bytes.size() % 8, 0u);
  EXPECT_EQ(bytes.substr(8, 34), R"({"__metadata__":{"format":"pt"},"q)");
  const auto again = parse_safetensors_header(std::string_view(bytes).substr(8), 26, "again");
  ASSERT_EQ(again.tensors.size(), 4u);
  EXPECT_EQ(again.tensors[0].name, "q");
  EXPECT_EQ(again.tensors[1].name, "a");
  EXPECT_EQ(again.tensors[2].name, "z");
  EXPECT_EQ(again.tensors[3].end, 26u);
}

}  // namespace
}  // namespace bessemer::data
