#include "data/neighbours/file_hash.h"

#include <gmock/gmock.h>

#include "tests/data/folder.h"

namespace bessemer::data {
namespace {

class FileHash : public FolderTest {};

TEST_F(FileHash, IsWhatPythonsLibrariesSay) {
  std::string bytes;
  for (int i = 0; i < 3000; ++i) bytes += static_cast<char>(i * 7 % 251);
  const std::string path = write("a", bytes), empty = write("b", "");
  EXPECT_EQ(hash_of_file(path, "xxh32"), "be61a2d6");
  EXPECT_EQ(hash_of_file(empty, "xxh32"), "02cc5d05");
  EXPECT_EQ(hash_of_file(path, "xxh64"), "29e463061f67b0fa");
  EXPECT_EQ(hash_of_file(empty, "xxh64"), "ef46db3751d8e999");
  EXPECT_EQ(hash_of_file(path, "xxh3_64"), "b3eacb6e81dd90f0");
  EXPECT_EQ(hash_of_file(empty, "xxh3_64"), "2d06800538d394c2");
  EXPECT_EQ(hash_of_file(path, "xxh128"), "52f1edcfa554a923b3eacb6e81dd90f0");
  EXPECT_EQ(hash_of_file(empty, "xxh128"), "99aa06d3014798d86001c324468d497f");
  EXPECT_EQ(hash_of_file(path, "xxh3_128"), "52f1edcfa554a923b3eacb6e81dd90f0");
  EXPECT_EQ(hash_of_file(empty, "xxh3_128"), "99aa06d3014798d86001c324468d497f");
  EXPECT_EQ(hash_of_file(path, "sha256"), "fb5a5e7439fbb98b3dc324a722e08e9e89c21f0fd07307980e831cf7f97cc82b");
  EXPECT_EQ(hash_of_file(path, "sha1"), std::nullopt);
  EXPECT_EQ(hash_of_file(path, ""), std::nullopt);
}

}  // namespace
}  // namespace bessemer::data
