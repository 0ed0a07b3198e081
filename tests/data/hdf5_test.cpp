#include "data/hdf5.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <thread>

#include "tests/data/folder.h"

namespace bessemer::data {
namespace {

class Hdf5 : public FolderTest {
 protected:
  static void put(const std::string& path, uint64_t offset, const void* data, std::size_t bytes) {
    const int fd = ::open(path.c_str(), O_WRONLY);
    ASSERT_EQ(::pwrite(fd, data, bytes, static_cast<off_t>(offset)), static_cast<ssize_t>(bytes));
    ::close(fd);
  }
};

TEST_F(Hdf5, ReadsBackWhatWasWrittenAtTheOffsets) {
  const auto offsets = create_layout(at("a.h5"),
                                     {{"weights/h.0/q", Dtype::kF32, {3, 2}},
                                      {"tokens", Dtype::kU16, {5}},
                                      {"empty", Dtype::kU32, {0}},
                                      {"step", Dtype::kI64, {}}},
                                     {});
  const float weights[6] = {1, 2, 3, 4, 5, 6};
  const uint16_t tokens[5] = {9, 8, 7, 6, 65535};
  const int64_t step = -3;
  put(at("a.h5"), offsets.at("weights/h.0/q"), weights, sizeof weights);
  put(at("a.h5"), offsets.at("tokens"), tokens, sizeof tokens);
  put(at("a.h5"), offsets.at("step"), &step, sizeof step);
  EXPECT_EQ(offsets.at("empty"), 0u);
  for (const auto& [name, offset] : offsets) EXPECT_EQ(offset % 64, 0u) << name;

  const Hdf5File read(at("a.h5"));
  ASSERT_EQ(read.datasets().size(), 4u);
  const auto& q = read.dataset("weights/h.0/q");
  EXPECT_EQ(q.dtype, Dtype::kF32);
  EXPECT_EQ(q.shape, (std::vector<uint64_t>{3, 2}));
  EXPECT_TRUE(q.contiguous);
  EXPECT_EQ(q.offset, offsets.at("weights/h.0/q"));
  EXPECT_EQ(q.bytes(), 24u);
  float rows[4];
  read.read("weights/h.0/q", 1, 2, Dtype::kF32, rows);
  EXPECT_THAT(rows, testing::ElementsAre(3, 4, 5, 6));
  int64_t converted[2];
  read.read("tokens", 3, 2, Dtype::kI64, converted);
  EXPECT_THAT(converted, testing::ElementsAre(6, 65535));
  int64_t back = 0;
  read.read("step", 0, 1, Dtype::kI64, &back);
  EXPECT_EQ(back, -3);
  read.read("empty", 0, 0, Dtype::kU32, nullptr);
}

TEST_F(Hdf5, KeepsAttributesOfEveryKindAndLength) {
  const std::string large(200000, 'x');
  create_layout(at("a.h5"), {},
                {{"text", std::string("größe")},
                 {"none", std::string()},
                 {"large", large},
                 {"minus", int64_t{-1}},
                 {"many", uint64_t{1} << 40},
                 {"vocab", uint32_t{65}},
                 {"version", std::vector<uint32_t>{1, 0}}});
  const Hdf5File read(at("a.h5"));
  EXPECT_EQ(read.text("text"), "größe");
  EXPECT_EQ(read.text("none"), "");
  EXPECT_EQ(read.text("large"), large);
  EXPECT_EQ(read.integer("minus"), -1);
  EXPECT_EQ(read.integer("many"), int64_t{1} << 40);
  EXPECT_EQ(read.integer("vocab"), 65);
  EXPECT_THAT(read.integers("version"), testing::ElementsAre(1, 0));
  EXPECT_FALSE(read.has_attribute("absent"));
  EXPECT_THROW(read.text("absent"), Error);
  EXPECT_THROW(read.text("vocab"), Error);
  EXPECT_THROW(read.integer("text"), Error);
}

TEST_F(Hdf5, EqualContentGivesEqualBytes) {
  for (const char* name : {"a.h5", "b.h5"}) {
    create_layout(at(name), {{"g/x", Dtype::kU16, {1000}}, {"y", Dtype::kU8, {1}}}, {{"k", std::string("v")}},
                  {{"z", "y"}});
    if (*name == 'a')
      std::this_thread::sleep_for(std::chrono::milliseconds(1100));  // times have a resolution of one second
  }
  EXPECT_EQ(bytes_of(at("a.h5")), bytes_of(at("b.h5")));
}

TEST_F(Hdf5, ALinkIsASecondNameOfTheSameBytes) {
  const auto offsets = create_layout(at("a.h5"), {{"tokens", Dtype::kU16, {4}}}, {}, {{"data", "tokens"}});
  const Hdf5File read(at("a.h5"));
  EXPECT_EQ(read.dataset("data").offset, offsets.at("tokens"));
}

TEST_F(Hdf5, EveryTruncationIsRefusedWithTheFilesName) {
  create_layout(at("a.h5"), {{"tokens", Dtype::kU16, {5000}}}, {{"k", std::string("v")}});
  const std::string whole = bytes_of(at("a.h5"));
  for (std::size_t n = 0; n < whole.size(); n += 97) {
    std::ofstream(at("b.h5"), std::ios::binary).write(whole.data(), static_cast<std::streamsize>(n));
    try {
      const Hdf5File read(at("b.h5"));
      FAIL() << "opened with " << n << " of " << whole.size() << " bytes";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::kBadData);
      EXPECT_THAT(error.what(), testing::HasSubstr("b.h5"));
    }
  }
}

TEST_F(Hdf5, AMissingDatasetIsNamedBesideThoseFound) {
  create_layout(at("a.h5"), {{"input_ids", Dtype::kI32, {2, 2}}}, {});
  const Hdf5File read(at("a.h5"));
  try {
    read.dataset("tokens");
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(),
                testing::AllOf(testing::HasSubstr("'tokens' is missing"), testing::HasSubstr("input_ids i32")));
  }
  int32_t out[4];
  EXPECT_THROW(read.read("input_ids", 1, 2, Dtype::kI32, out), Error);
}

TEST_F(Hdf5, AFolderThatIsNotThereAndADatasetWithoutRoomAreEnvironmentErrors) {
  try {
    create_layout(at("no/such/folder.h5"), {}, {});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kEnvironment);
  }
  try {
    create_layout(at("huge.h5"), {{"x", Dtype::kF32, {uint64_t{1} << 50}}}, {});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kEnvironment);
    EXPECT_THAT(error.what(), testing::HasSubstr("disk is full"));
  }
  EXPECT_FALSE(std::filesystem::exists(at("huge.h5")));
}

TEST_F(Hdf5, ThreadsMayReadAndWriteAtOnce) {
  std::vector<std::thread> threads;
  std::vector<int> good(4, 0);
  for (std::size_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 20; ++i) {
        const std::string path = at(concat("t", t, ".h5"));
        create_layout(path, {{"x", Dtype::kI64, {100}}}, {{"t", int64_t(t)}});
        good[t] += Hdf5File(path).integer("t") == static_cast<int64_t>(t);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_THAT(good, testing::Each(20));
}

}  // namespace
}  // namespace bessemer::data
