#include "data/safetensors.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <numeric>

#include "data/safetensors_writer.h"
#include "parallel/error.h"
#include "tests/support/temporary_directory.h"

namespace bessemer::data {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class SafetensorsTest : public testing::Test {
 protected:
  void write(const std::string& name, const std::string& bytes) {
    std::ofstream(directory_.file(name), std::ios::binary) << bytes;
  }
  /// 0, 1, 2 ... as fp32 and bf16, and ids.
  void write_numbers(const std::string& name, const std::string& prefix = "") {
    SafetensorsWriter writer(directory_.file(name),
                             {{prefix + "m", "F32", {3, 5}}, {prefix + "h", "BF16", {4}}, {prefix + "i", "I64", {2}}});
    std::vector<float> numbers(15);
    std::iota(numbers.begin(), numbers.end(), 0.0f);
    const int64_t ids[] = {7, -100};
    writer.append(ids, sizeof ids);
    writer.append_as("F32", numbers.data(), 15);
    writer.append_as("BF16", numbers.data(), 4);
    writer.finish();
  }
  void expect_refused(const std::string& path, const std::string& words) {
    try {
      Safetensors::open(path);
      ADD_FAILURE() << path << " was read";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::kBadData);
      EXPECT_THAT(error.what(), HasSubstr(words));
    }
  }
  tests::TemporaryDirectory directory_;
};

TEST_F(SafetensorsTest, ReadsRectanglesOfATensor) {
  write_numbers("a.safetensors");
  const auto file = Safetensors::open(directory_.file("a.safetensors"));
  std::vector<float> out(15);
  file.read("m", {0, 3, 0, 5}, out.data());
  EXPECT_EQ(out[14], 14.0f);
  out.resize(4);
  file.read("m", {1, 3, 2, 4}, out.data());
  EXPECT_THAT(out, ElementsAre(7, 8, 12, 13));
  file.read("h", {0, 4, 0, 1}, out.data());
  EXPECT_THAT(out, ElementsAre(0, 1, 2, 3));
  out = {-1};
  file.read("m", {2, 2, 0, 5}, out.data());
  EXPECT_THAT(out, ElementsAre(-1));
  EXPECT_THAT(file.integers("i"), ElementsAre(7, -100));
  EXPECT_THROW(file.read("m", {0, 4, 0, 5}, out.data()), Error);
  EXPECT_THROW(file.read("i", {0, 1, 0, 1}, out.data()), Error);
  EXPECT_THROW(file.integers("m"), Error);
  EXPECT_THROW(file.at("none"), Error);
}

TEST_F(SafetensorsTest, ReadsADirectoryOfSeveralFiles) {
  write_numbers("model-00001-of-00002.safetensors", "a.");
  write_numbers("model-00002-of-00002.safetensors", "b.");
  const std::string first = "model-00001-of-00002.safetensors", second = "model-00002-of-00002.safetensors";
  const auto index = [&](const std::string& of_b) {
    std::string map;
    for (const std::string name : {"m", "h", "i"})
      map += "\"a." + name + "\":\"" + first + "\",\"b." + name + "\":\"" + of_b + "\",";
    return R"({"metadata":{"total_size":1},"weight_map":{)" + map.substr(0, map.size() - 1) + "}}";
  };
  write("model.safetensors.index.json", index(second));
  const auto all = Safetensors::open(directory_.path());
  EXPECT_EQ(all.tensors().size(), 6u);
  std::vector<float> out(1);
  all.read("b.m", {2, 3, 4, 5}, out.data());
  EXPECT_EQ(out[0], 14.0f);

  write("model.safetensors.index.json", index(first));
  expect_refused(directory_.path(), "'b.");
  write("model.safetensors.index.json", index("../" + second));
  expect_refused(directory_.path(), "beside the index");
  write("model.safetensors.index.json", index("gone.safetensors"));
  expect_refused(directory_.path(), "gone.safetensors");
  write("model.safetensors.index.json", R"({"weight_map":{"a.m":")" + first + "\"}}");
  expect_refused(directory_.path(), "does not name");
  write("model.safetensors.index.json", "[]");
  expect_refused(directory_.path(), "not an index");
}

TEST_F(SafetensorsTest, ABadLengthAllocatesNothing) {
  write("a", "");
  expect_refused(directory_.file("a"), "only 0 bytes");
  write("a", std::string("\xff\xff\xff\xff\xff\xff\xff\xff", 8) + "{}");
  expect_refused(directory_.file("a"), "18446744073709551615");
  write("a", std::string("\x03\0\0\0\0\0\0\0", 8) + "{}");
  expect_refused(directory_.file("a"), "more than the file has");
  write("a", std::string("\x01\xe1\xf5\x05\0\0\0\0", 8) + "{}");
  expect_refused(directory_.file("a"), "100,000,000");
}

TEST_F(SafetensorsTest, PicklesAreRefusedWithAHint) {
  write("model.pt", "\x80\x02");
  expect_refused(directory_.file("model.pt"), "weights_only=True");
  write("pytorch_model.bin", "PK");
  expect_refused(directory_.path(), "pytorch_model.bin");
  std::filesystem::remove(directory_.file("pytorch_model.bin"));
  std::filesystem::remove(directory_.file("model.pt"));
  expect_refused(directory_.path(), "neither model.safetensors");
}

}  // namespace
}  // namespace bessemer::data
