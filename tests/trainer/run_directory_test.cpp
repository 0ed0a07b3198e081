#include "trainer/run_directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "parallel/error.h"
#include "tests/support/small_checkpoint.h"
#include "tests/support/temporary_directory.h"

namespace bessemer::trainer {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using tests::save_small;

TEST(RunDirectory, RefusesASecondJobAndNamesTheFirst) {
  tests::TemporaryDirectory dir;
  const std::string path = dir.file("run");
  const auto first = RunDirectory::claim(path);
  try {
    RunDirectory::claim(path);
    FAIL() << "two jobs hold one directory";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kEnvironment);
    EXPECT_THAT(error.what(), HasSubstr("process " + std::to_string(getpid())));
  }
}

TEST(RunDirectory, IsFreeAgainWhenItsJobWasKilled) {
  tests::TemporaryDirectory dir;
  const pid_t child = fork();
  if (child == 0) {
    const auto held = RunDirectory::claim(dir.path());
    _exit(0);  // without destructors, as a kill
  }
  waitpid(child, nullptr, 0);
  EXPECT_NO_THROW(RunDirectory::claim(dir.path()));
}

TEST(RunDirectory, RemovesOnlyWhatSavesLeft) {
  tests::TemporaryDirectory dir;
  std::filesystem::create_directories(dir.file(".tmp-step-0000000002-0123456789abcdef"));
  std::filesystem::create_directories(dir.file(".trash-step-0000000001-0123456789abcdef"));
  write_text_synced(dir.file("config.ini.tmp-0123456789abcdef"), "half");
  write_text_synced(dir.file(".tmp-notes"), "mine");
  const auto run = RunDirectory::claim(dir.path());
  EXPECT_THAT(list_directory(dir.path()), ElementsAre(".tmp-notes", "lease", "run.json"));
}

TEST(RunDirectory, ThatCannotBeMadeIsAnError) {
  tests::TemporaryDirectory dir;
  write_text_synced(dir.file("file"), "");
  EXPECT_THROW(RunDirectory::claim(dir.file("file")), Error);
  EXPECT_THROW(RunDirectory::claim(dir.file("file/run")), Error);
}

TEST(RunDirectory, KnowsWhetherItHoldsARun) {
  tests::TemporaryDirectory dir;
  const auto run = RunDirectory::claim(dir.path());
  EXPECT_NO_THROW(run.refuse_if_used());
  EXPECT_EQ(run.read_config(), "");
  run.write_config("[run]\nseed = 1\n");
  EXPECT_EQ(run.read_config(), "[run]\nseed = 1\n");
  EXPECT_THROW(run.refuse_if_used(), Error);
  EXPECT_NO_THROW(run.check_room(1));
  EXPECT_THROW(run.check_room(int64_t{1} << 60), Error);
}

TEST(Checkpoints, TheNewestGoodOneIsFoundAndBrokenOnesAreNamed) {
  tests::TemporaryDirectory dir;
  EXPECT_EQ(find_newest(dir.path(), Verify::kAll).step, -1);
  EXPECT_EQ(find_newest(dir.file("none"), Verify::kAll).step, -1);
  EXPECT_THROW(find_checkpoint(dir.path(), Verify::kAll), Error);
  const auto older = save_small(dir.path(), 1);
  const auto cut = save_small(dir.path(), 12);
  const auto flipped = save_small(dir.path(), 100);
  std::filesystem::create_directories(dir.file("step-0000000200"));
  std::filesystem::create_directories(dir.file("step-elsewhere"));
  const std::string shard = "/shard-00000-of-00002.h5";
  std::filesystem::resize_file(cut + shard, 10);
  auto bytes = read_text(flipped + shard);
  bytes.back() ^= 1;
  write_text_synced(flipped + shard, bytes);
  const auto found = find_newest(dir.path(), Verify::kAll);
  EXPECT_EQ(found.path, older);
  EXPECT_THAT(found.warnings,
              ElementsAre(HasSubstr("step-0000000200"), HasSubstr(flipped + shard), HasSubstr(cut + shard)));
  EXPECT_EQ(find_newest(dir.path(), Verify::kMetadata).step, 100);  // its blocks are looked at when they are read
  EXPECT_EQ(find_checkpoint(older, Verify::kAll).step, 1);
  EXPECT_EQ(find_checkpoint(dir.path(), Verify::kAll).step, 1);
  EXPECT_THROW(find_checkpoint(flipped, Verify::kAll), Error);
}

TEST(Retention, KeepsTheNewestAndTheBestAndWhatIsBroken) {
  tests::TemporaryDirectory dir;
  const double losses[] = {3.0, 1.0, 2.0, 1.5, NAN, 1.2};
  for (int64_t step = 1; step <= 6; ++step) save_small(dir.path(), step, losses[step - 1]);
  std::filesystem::resize_file(dir.file("step-0000000003/manifest.json"), 20);
  EXPECT_TRUE(apply_retention(dir.path(), {2, 0}).warnings.empty());
  EXPECT_THAT(checkpoint_steps(dir.path()), ElementsAre(2, 3, 5, 6));
  EXPECT_TRUE(apply_retention(dir.path(), {0, 0}).warnings.empty());  // one good one stays whatever is asked
  EXPECT_THAT(checkpoint_steps(dir.path()), ElementsAre(2, 3, 6));
  for (const auto& name : list_directory(dir.path())) EXPECT_NE(name[0], '.');
}

TEST(Retention, KeepsEveryMthAndSaysWhatItWouldDo) {
  tests::TemporaryDirectory dir;
  for (int64_t step = 1; step <= 7; ++step) save_small(dir.path(), step, step == 5 ? 0.5 : 1.0);
  const auto dry = apply_retention(dir.path(), {1, 3}, /*dry_run=*/true);
  EXPECT_THAT(dry.removed, ElementsAre("step-0000000004", "step-0000000002", "step-0000000001"));
  EXPECT_THAT(dry.kept, ElementsAre("step-0000000007", "step-0000000006", "step-0000000005", "step-0000000003"));
  EXPECT_GT(dry.bytes, 3 * 4000);
  EXPECT_EQ(checkpoint_steps(dir.path()).size(), 7u);
  EXPECT_EQ(apply_retention(dir.path(), {1, 3}).removed, dry.removed);
  EXPECT_THAT(checkpoint_steps(dir.path()), ElementsAre(3, 5, 6, 7));
}

TEST(Retention, RemovesNothingWhileNothingThatStaysIsVerified) {
  tests::TemporaryDirectory dir;
  for (int64_t step = 1; step <= 3; ++step) {
    const auto plan = tests::small_plan(dir.path(), step);
    for (const int rank : plan.writers)
      write_rank(plan, rank, tests::small_parts(rank, step).chunks, false, tests::kNothing);
    auto manifest = tests::small_manifest(step);
    manifest.read_back = false;
    publish(plan, manifest, tests::kNothing);
  }
  const std::string newest = dir.file("step-0000000003/shard-00000-of-00002.h5");
  auto bytes = read_text(newest);
  bytes.back() ^= 1;  // right in size and names, wrong in a number
  write_text_synced(newest, bytes);
  const auto removal = apply_retention(dir.path(), {1, 0});
  EXPECT_THAT(removal.warnings, ElementsAre(HasSubstr("none is removed")));
  EXPECT_EQ(checkpoint_steps(dir.path()).size(), 3u);
  bytes.back() ^= 1;
  write_text_synced(newest, bytes);
  EXPECT_TRUE(apply_retention(dir.path(), {1, 0}).warnings.empty());
  EXPECT_THAT(checkpoint_steps(dir.path()), ElementsAre(3));
}

// A run that went back to an earlier step: what it saves now is its newest, whatever lies beyond.
TEST(Retention, NeverRemovesWhatWasSavedJustNow) {
  tests::TemporaryDirectory dir;
  for (const int64_t step : {100, 200, 300, 400}) save_small(dir.path(), step);
  const std::string beyond = dir.file("step-0000000400/shard-00000-of-00002.h5");
  auto bytes = read_text(beyond);
  bytes.back() ^= 1;  // and the newest of those is damaged
  write_text_synced(beyond, bytes);
  save_small(dir.path(), 150);
  EXPECT_THAT(apply_retention(dir.path(), {1, 0, 150}).removed, ElementsAre("step-0000000100"));
  EXPECT_THAT(checkpoint_steps(dir.path()), ElementsAre(150, 200, 300, 400));
}

TEST(RunDirectory, BringsBackACheckpointThatAnExchangeWasKilledIn) {
  tests::TemporaryDirectory dir;
  const std::string path = save_small(dir.path(), 7);
  std::filesystem::rename(path, dir.file(".tmp-step-0000000007-0123456789abcdef-3-old"));
  std::filesystem::create_directories(dir.file(".tmp-step-0000000007-0123456789abcdef-3"));
  const auto run = RunDirectory::claim(dir.path());
  EXPECT_TRUE(tests::holds_small(CheckpointReader::open(path, Verify::kAll), 7));
  EXPECT_EQ(find_newest(dir.path(), Verify::kAll).step, 7);
}

TEST(Pickles, AreRefusedWithAHint) {
  tests::TemporaryDirectory dir;
  for (const char* name : {"model.pt", "pytorch_model.bin"}) {
    write_text_synced(dir.file(name), "\x80\x02");
    try {
      find_checkpoint(dir.file(name), Verify::kAll);
      FAIL() << "it was opened";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::kBadData);
      EXPECT_THAT(error.what(), testing::AllOf(HasSubstr("pickle"), HasSubstr("safetensors")));
    }
  }
}

TEST(RunId, IsGivenOnceAndKept) {
  tests::TemporaryDirectory dir;
  std::string id;
  {
    const auto run = RunDirectory::claim(dir.path());
    id = run.run_id();
    EXPECT_EQ(id.size(), 16u);
  }
  EXPECT_EQ(RunDirectory::claim(dir.path()).run_id(), id);
  write_text_synced(dir.file("run.json"), "{}");
  EXPECT_THROW(RunDirectory::claim(dir.path()), Error);
}

}  // namespace
}  // namespace bessemer::trainer
