#include "data/matrix_writer.h"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>

#include "data/hdf5.h"
#include "parallel/error.h"
#include "tests/support/temporary_directory.h"

namespace bessemer::data {
namespace {

const float kNumbers[2][3] = {{1, 2, 3}, {-4, 0.5, 6}};

void write(const std::string& path) {
  MatrixWriter out(path, "embeddings", 2, 3);
  out.write(1, kNumbers[1]);
  EXPECT_FALSE(std::filesystem::exists(path));
  out.write(0, kNumbers[0]);
  out.finish();
}

TEST(MatrixWriter, GivesTheBytesOfNumpy) {
  const tests::TemporaryDirectory directory;
  write(directory.file("a.npy"));
  // numpy 2.4: numpy.save(path, numpy.array([[1, 2, 3], [-4, 0.5, 6]], "float32"))
  const std::string got = read_file(directory.file("a.npy")), header = got.substr(10, 118);
  EXPECT_EQ(got.substr(0, 10), std::string("\x93NUMPY\x01\x00\x76\x00", 10));
  EXPECT_EQ(header.substr(0, 60), "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), } ");
  EXPECT_EQ(header.find_first_not_of(' ', 60), 117u);
  EXPECT_EQ(header.back(), '\n');
  ASSERT_EQ(got.size(), 128 + sizeof kNumbers);
  EXPECT_EQ(std::memcmp(got.data() + 128, kNumbers, sizeof kNumbers), 0);
}

TEST(MatrixWriter, GivesAnHdf5FileWithOneDataset) {
  const tests::TemporaryDirectory directory;
  write(directory.file("a.h5"));
  const Hdf5File file(directory.file("a.h5"));
  EXPECT_EQ(file.dataset("embeddings").shape, (std::vector<uint64_t>{2, 3}));
  float numbers[2][3];
  file.read("embeddings", 0, 2, Dtype::kF32, numbers);
  EXPECT_EQ(std::memcmp(numbers, kNumbers, sizeof numbers), 0);
}

TEST(MatrixWriter, LeavesNothingOfAnUnfinishedOneAndRefusesOtherNames) {
  const tests::TemporaryDirectory directory;
  for (const char* name : {"a.npy", "a.hdf5"}) {
    MatrixWriter out(directory.file(name), "x", 2, 3);
    out.write(0, kNumbers[0]);
  }
  EXPECT_TRUE(std::filesystem::is_empty(directory.path()));
  EXPECT_THROW(MatrixWriter(directory.file("a.csv"), "x", 2, 3), Error);
}

}  // namespace
}  // namespace bessemer::data
