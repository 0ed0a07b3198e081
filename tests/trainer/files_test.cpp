#include "trainer/files.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include "parallel/error.h"
#include "tests/support/temporary_directory.h"

namespace bessemer::trainer {
namespace {

TEST(Files, AtomicTextReplacesAndLeavesNothingElse) {
  tests::TemporaryDirectory dir;
  write_text_atomically(dir.file("a"), "first, longer");
  write_text_atomically(dir.file("a"), "second");
  write_text_atomically(dir.file("empty"), "");
  EXPECT_EQ(read_text(dir.file("a")), "second");
  EXPECT_EQ(read_text(dir.file("empty")), "");
  EXPECT_EQ(list_directory(dir.path()), (std::vector<std::string>{"a", "empty"}));
  EXPECT_THROW(read_text(dir.file("a"), 5), Error);
  EXPECT_THROW(read_text(dir.path()), Error);
  EXPECT_THROW(write_text_atomically(dir.file("none/a"), ""), Error);
}

TEST(Files, ReadsStopAtTheEnd) {
  tests::TemporaryDirectory dir;
  write_text_synced(dir.file("a"), "12345");
  char bytes[8] = {};
  EXPECT_EQ(read_at(open_file(dir.file("a"), O_RDONLY), "a", 3, bytes, 8), 2);
  EXPECT_EQ(std::string(bytes), "45");
  EXPECT_EQ(file_size(dir.file("a")), 5);
  EXPECT_EQ(file_size(dir.file("b")), -1);
}

TEST(Files, ExchangeSwapsTwoDirectories) {
  tests::TemporaryDirectory dir;
  make_directories(dir.file("x"));
  make_directories(dir.file("y"));
  write_text_synced(dir.file("x/who"), "x");
  exchange_paths(dir.file("x"), dir.file("y"));
  EXPECT_EQ(read_text(dir.file("y/who")), "x");
  EXPECT_TRUE(list_directory(dir.file("x")).empty());
}

TEST(Files, ADescriptorClosesOnce) {
  Descriptor a = open_file("/dev/null", O_RDONLY);
  const int fd = a.get();
  Descriptor b = std::move(a);
  EXPECT_FALSE(a);
  EXPECT_EQ(b.get(), fd);
  b = Descriptor();
  EXPECT_EQ(fcntl(fd, F_GETFD), -1);
}

TEST(Files, AFullDiskIsAnErrorWhenReserving) {
  const Descriptor full = open_file("/dev/full", O_WRONLY);
  EXPECT_THROW(append_all(full, "/dev/full", "x"), Error);
  EXPECT_THROW(write_at(full, "/dev/full", 0, "x", 1), Error);
}

}  // namespace
}  // namespace bessemer::trainer
