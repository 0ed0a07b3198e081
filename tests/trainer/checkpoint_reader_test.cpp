#include "trainer/checkpoint_reader.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "parallel/error.h"
#include "tests/support/small_checkpoint.h"
#include "tests/support/temporary_directory.h"
#include "trainer/files.h"

namespace bessemer::trainer {
namespace {

namespace fs = std::filesystem;
using tests::holds_small;
using tests::save_small;

// Wrong is only this: it opens, it reads, and other values come out.
enum class Outcome { kNoticed, kHarmless, kWrong };

Outcome outcome(const std::string& path, Verify verify) {
  try {
    return holds_small(CheckpointReader::open(path, verify), 3) ? Outcome::kHarmless : Outcome::kWrong;
  } catch (const Error&) {
    return Outcome::kNoticed;
  }
}

void flip(const std::string& path, int64_t at) {
  const Descriptor file = open_file(path, O_RDWR);
  char byte = 0;
  read_at(file, path, at, &byte, 1);
  byte = static_cast<char>(byte ^ (1 << (at % 8)));
  write_at(file, path, at, &byte, 1);
}

void write_plainly(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

TEST(Checkpoint, GivesBackWhatWasSaved) {
  tests::TemporaryDirectory run;
  const auto path = save_small(run.path(), 3, 1.5);
  EXPECT_TRUE(verify_checkpoint(path).problems.empty());
  const auto checkpoint = CheckpointReader::open(path, Verify::kAll);
  EXPECT_TRUE(holds_small(checkpoint, 3));
  EXPECT_EQ(checkpoint.state()["t"], 3);
  EXPECT_EQ(checkpoint.config(), "[run]\n");
  EXPECT_EQ(checkpoint.validation_loss(), 1.5);
  EXPECT_EQ(checkpoint.shape("params/w"), (std::vector<int64_t>{3, 5}));
  EXPECT_FALSE(checkpoint.has("params/x"));
  EXPECT_THROW(checkpoint.shape("params/x"), Error);
}

TEST(Checkpoint, AFlipOfAnyByteOfAnyFileIsNoticed) {
  tests::TemporaryDirectory run;
  const auto path = save_small(run.path(), 3);
  int64_t flips = 0;
  for (const std::string& name : list_directory(path)) {
    const std::string file = path + "/" + name;
    for (int64_t at = 0; at < file_size(file); ++at, ++flips) {
      flip(file, at);
      ASSERT_EQ(outcome(path, Verify::kAll), Outcome::kNoticed) << name << " byte " << at;
      ASSERT_EQ(outcome(path, Verify::kMetadata), Outcome::kNoticed) << name << " byte " << at;  // read: same block
      flip(file, at);
    }
  }
  EXPECT_GT(flips, 1000);
  EXPECT_TRUE(verify_checkpoint(path).problems.empty());
}

TEST(Checkpoint, AFileCutAnywhereIsNoticed) {
  tests::TemporaryDirectory run;
  const auto path = save_small(run.path(), 3);
  for (const std::string& name : list_directory(path)) {
    const std::string file = path + "/" + name;
    const std::string whole = read_text(file);
    for (std::size_t size = 0; size<whole.size(); size += whole.size()> 2000 ? 13 : 1) {
      fs::resize_file(file, size);
      ASSERT_EQ(outcome(path, Verify::kMetadata), Outcome::kNoticed) << name << " cut to " << size;
      write_plainly(file, whole);
    }
    write_plainly(file, whole + " ");
    EXPECT_EQ(outcome(path, Verify::kMetadata), Outcome::kNoticed) << name << " with a byte more";
    write_plainly(file, whole);
  }
}

TEST(Checkpoint, MissingExtraAndForeignFilesAreNamed) {
  tests::TemporaryDirectory run;
  const auto path = save_small(run.path(), 3);
  const auto other = save_small(run.path(), 4);
  for (const std::string name : {"shard-00001-of-00002.h5", "rank-00000.json"}) {
    const std::string whole = read_text(path + "/" + name);
    fs::remove(path + "/" + name);
    ASSERT_FALSE(verify_checkpoint(path).problems.empty());
    EXPECT_NE(verify_checkpoint(path).problems[0].find(name), std::string::npos);
    EXPECT_EQ(outcome(path, Verify::kMetadata), Outcome::kNoticed);
    fs::copy_file(other + "/" + name, path + "/" + name);  // of another step
    EXPECT_EQ(outcome(path, Verify::kMetadata), Outcome::kNoticed);
    const auto problems = verify_checkpoint(path).problems;
    ASSERT_FALSE(problems.empty());
    EXPECT_NE(problems[0].find(name), std::string::npos) << problems[0];
    EXPECT_NE(problems[0].find("is foreign"), std::string::npos) << problems[0];
    EXPECT_NE(problems[0].find("step 4"), std::string::npos) << problems[0];
    write_plainly(path + "/" + name, whole);
  }
  write_plainly(path + "/shard-00002-of-00003.h5", "");
  const auto verdict = verify_checkpoint(path);
  EXPECT_TRUE(verdict.problems.empty()) << "more than is needed is no damage";
  ASSERT_EQ(verdict.warnings.size(), 1u);
  EXPECT_NE(verdict.warnings[0].find("shard-00002-of-00003.h5"), std::string::npos);
}

TEST(Checkpoint, LinksAndPipesAreNotFollowed) {
  tests::TemporaryDirectory run;
  const auto path = save_small(run.path(), 3);
  for (const std::string name : {"shard-00001-of-00002.h5", "rank-00000.json", "manifest.json"}) {
    fs::rename(path + "/" + name, run.file("elsewhere"));
    fs::create_symlink(run.file("elsewhere"), path + "/" + name);
    EXPECT_EQ(outcome(path, Verify::kAll), Outcome::kNoticed) << name;
    fs::remove(path + "/" + name);
    ASSERT_EQ(mkfifo((path + "/" + name).c_str(), 0600), 0);
    EXPECT_EQ(outcome(path, Verify::kAll), Outcome::kNoticed) << name;  // and it does not hang
    fs::remove(path + "/" + name);
    fs::rename(run.file("elsewhere"), path + "/" + name);
  }
  EXPECT_EQ(outcome(path, Verify::kAll), Outcome::kHarmless);
}

TEST(Checkpoint, SharesOfTheVerificationCoverEveryShard) {
  tests::TemporaryDirectory run;
  const auto path = save_small(run.path(), 3);
  for (const int shard : {0, 1}) {
    const std::string file = path + "/" + shard_name(shard, 2);
    flip(file, file_size(file) - 1);
    for (const int shares : {1, 2, 3}) {
      int found = 0;
      for (int share = 0; share < shares; ++share) found += !verify_checkpoint(path, share, shares).problems.empty();
      EXPECT_EQ(found, 1) << shares;
    }
    flip(file, file_size(file) - 1);
  }
}

TEST(Checkpoint, ABadBlockIsNamedWithItsTensors) {
  tests::TemporaryDirectory run;
  const auto path = save_small(run.path(), 3);
  flip(path + "/shard-00000-of-00002.h5", file_size(path + "/shard-00000-of-00002.h5") - 1);
  const auto problems = verify_checkpoint(path).problems;
  ASSERT_EQ(problems.size(), 1u);
  for (const char* part : {"shard-00000-of-00002.h5", "block 0", "params/w"}) {
    EXPECT_NE(problems[0].find(part), std::string::npos) << problems[0];
  }
}

}  // namespace
}  // namespace bessemer::trainer
