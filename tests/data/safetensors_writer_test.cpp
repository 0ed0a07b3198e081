#include "data/safetensors_writer.h"

#include <gmock/gmock.h>

#include <filesystem>

#include "parallel/error.h"
#include "tests/support/temporary_directory.h"

namespace bessemer::data {
namespace {

TEST(SafetensorsWriter, GivesTheBytesOfTheReference) {
  const tests::TemporaryDirectory directory;
  const std::string path = directory.file("a.safetensors");
  SafetensorsWriter writer(path, {{"b", "F16", {2}}, {"a", "F32", {1}}});
  const float numbers[] = {1.0f, -2.0f};
  writer.append_as("F32", numbers, 1);
  EXPECT_FALSE(std::filesystem::exists(path));
  writer.append_as("F16", numbers, 1);
  writer.append_as("F16", numbers + 1, 1);
  writer.finish();
  // Written by safetensors 0.8.0: save_file({"b": torch.tensor([1., -2.]).half(), "a": torch.tensor([1.])}, path,
  // {"format": "pt"})
  const std::string header = R"({"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
                             R"("b":{"dtype":"F16","shape":[2],"data_offsets":[4,8]}})";
  const std::string padded = header + std::string((8 - header.size() % 8) % 8, ' ');
  EXPECT_EQ(read_file(path), std::string(1, static_cast<char>(padded.size())) + std::string(7, '\0') + padded +
                                 std::string("\0\0\x80\x3f\0\x3c\0\xc0", 8));
}

TEST(SafetensorsWriter, LeavesNothingWhereItDoesNotFinish) {
  const tests::TemporaryDirectory directory;
  const float number = 1.0f;
  {
    SafetensorsWriter writer(directory.file("a.safetensors"), {{"a", "F32", {2}}});
    writer.append(&number, sizeof number);
    EXPECT_THROW(writer.finish(), Error);
    EXPECT_THROW(writer.append_as("I64", &number, 1), Error);
    writer.append(&number, sizeof number);
    EXPECT_THROW(writer.append(&number, sizeof number), Error);
  }
  EXPECT_TRUE(std::filesystem::is_empty(directory.path()));
}

}  // namespace
}  // namespace bessemer::data
