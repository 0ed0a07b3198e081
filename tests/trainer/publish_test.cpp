#include "trainer/publish.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "data/crc32c.h"
#include "data/hdf5.h"
#include "parallel/error.h"
#include "tests/support/paths.h"
#include "tests/support/small_checkpoint.h"
#include "tests/support/temporary_directory.h"
#include "trainer/files.h"
#include "trainer/inspect.h"

namespace bessemer::trainer {
namespace {

using tests::holds_small;
using tests::save_small;

// Runs `work` in a process of its own; returns how it ended.
int in_child(const std::function<void()>& work) {
  const pid_t child = fork();
  if (child == 0) {
    try {
      work();
    } catch (const std::exception&) {
      _exit(3);
    }
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return status;
}

void save_and_die_at(const std::string& run, int64_t step, int death) {
  int passed = 0;
  save_small(run, step, std::nan(""), [&](std::string_view) {
    if (passed++ == death) raise(SIGKILL);
  });
  apply_retention(run, {1, 0});
}

TEST(Save, KilledBetweenAnyTwoStepsLeavesAGoodCheckpoint) {
  bool finished = false;
  for (int death = 0; !finished; ++death) {
    tests::TemporaryDirectory run;
    save_small(run.path(), 1);
    finished = WIFEXITED(in_child([&] { save_and_die_at(run.path(), 2, death); }));
    const auto found = find_newest(run.path(), Verify::kAll);
    ASSERT_FALSE(found.path.empty()) << "killed at step " << death;
    EXPECT_TRUE(found.warnings.empty()) << found.warnings[0];  // nothing half-done bears a checkpoint's name
    EXPECT_TRUE(holds_small(CheckpointReader::open(found.path, Verify::kAll), found.step));
    const auto claimed = RunDirectory::claim(run.path());
    for (const std::string& name : list_directory(run.path())) EXPECT_NE(name[0], '.') << name;
    if (finished) {
      EXPECT_EQ(checkpoint_steps(run.path()), std::vector<int64_t>{2});
      EXPECT_GT(death, 12);
    }
  }
}

TEST(Save, OfTheSameStepTakesTheOldOnesPlaceWhereverItIsKilled) {
  bool finished = false;
  for (int death = 0; !finished; ++death) {
    tests::TemporaryDirectory run;
    save_small(run.path(), 1);
    finished = WIFEXITED(in_child([&] { save_and_die_at(run.path(), 1, death); }));
    const auto found = find_newest(run.path(), Verify::kAll);
    ASSERT_EQ(found.step, 1) << "killed at step " << death;
    EXPECT_TRUE(holds_small(CheckpointReader::open(found.path), 1));
  }
}

TEST(Save, BeyondTheFileSizeLimitIsAnErrorNotADeath) {
  tests::TemporaryDirectory run;
  save_small(run.path(), 1);
  const int status = in_child([&] {
    const rlimit limit{64 << 10, 64 << 10};
    setrlimit(RLIMIT_FSIZE, &limit);
    tests::Parts parts;
    parts.add("params/w", 2, {1 << 16}, 0, 0, 1 << 16);
    const auto plan = tests::small_plan(run.path(), 2, {0});
    try {
      write_rank(plan, 0, parts.chunks, true, tests::kNothing);
    } catch (const Error& error) {
      abandon(plan);
      _exit(error.code() == ExitCode::kEnvironment ? 9 : 10);
    }
  });
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 9);
  EXPECT_EQ(list_directory(run.path()), std::vector<std::string>{"step-0000000001"});
}

// Only root may mount; others skip.
bool mount_small_disk(const std::string& path, const char* size) {
  return unshare(CLONE_NEWNS) == 0 && mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
         mount("tmpfs", path.c_str(), "tmpfs", 0, size) == 0;
}

void save_on_a_full_disk(const std::string& run) {
  save_small(run, 1);
  tests::Parts parts;
  parts.add("params/w", 2, {1 << 20}, 0, 0, 1 << 20);
  const std::string filler = run + "/filler";
  for (const int64_t left : {int64_t{300} << 10, int64_t{12} << 10, int64_t{4} << 10, int64_t{0}}) {
    remove_tree(filler);
    const auto plan = tests::small_plan(run, 2, {0});
    const int64_t fill = free_bytes(run) - left;
    reserve(open_file(filler, O_WRONLY | O_CREAT), filler, fill);
    try {
      write_rank(plan, 0, parts.chunks, true, tests::kNothing);
      _exit(10);
    } catch (const Error& error) {
      if (error.code() != ExitCode::kEnvironment) _exit(11);
    }
    abandon(plan);
    if (list_directory(run) != std::vector<std::string>{"filler", "step-0000000001"}) _exit(12);
    if (!holds_small(CheckpointReader::open(run + "/step-0000000001", Verify::kAll), 1)) _exit(13);
  }
  remove_tree(filler);
  save_small(run, 3);
}

TEST(Save, OnADiskThatFillsUpIsAnErrorAndTheNextOneWorks) {
  tests::TemporaryDirectory run;
  const int status = in_child([&] {
    if (!mount_small_disk(run.path(), "size=2m")) _exit(77);
    save_on_a_full_disk(run.path());
  });
  ASSERT_TRUE(WIFEXITED(status)) << "signal " << WTERMSIG(status);
  if (WEXITSTATUS(status) == 77) GTEST_SKIP() << "mounting needs root";
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(Save, WithATensorThatIsNotWholeIsNotPublished) {
  tests::TemporaryDirectory run;
  const auto plan = tests::small_plan(run.path(), 1, {0});
  tests::Parts parts;
  parts.add("params/w", 1, {8}, 0, 0, 8, 0, 7);
  write_rank(plan, 0, parts.chunks, true, tests::kNothing);
  EXPECT_THROW(publish(plan, tests::small_manifest(1), tests::kNothing), Error);
  EXPECT_TRUE(checkpoint_steps(run.path()).empty());
}

// A rank file that changed between its writer's memory and the manifest would be vouched for as it is now.
TEST(Save, OfARankFileThatChangedOnDiskIsNotPublished) {
  for (const char* name : {"rank-00001.json", "rank-00000.json"}) {
    tests::TemporaryDirectory run;
    const auto plan = tests::small_plan(run.path(), 1);
    for (const int rank : plan.writers)
      write_rank(plan, rank, tests::small_parts(rank, 1).chunks, true, tests::kNothing);
    std::string text = read_text(plan.temporary() + "/" + name);
    const auto digit = text.find("\"offset\":") + 9;
    text[digit] = text[digit] == '1' ? '2' : '1';
    write_text_synced(plan.temporary() + "/" + name, text);
    EXPECT_THROW(publish(plan, tests::small_manifest(1), tests::kNothing), Error);
    EXPECT_TRUE(checkpoint_steps(run.path()).empty());
  }
}

TEST(Save, CanBeReadByHdf5AndSaysWhoseItIs) {
  tests::TemporaryDirectory run;
  const std::string path = save_small(run.path(), 5);
  EXPECT_TRUE(inspect_checkpoint(path).empty());
  const data::Hdf5File shard(path + "/shard-00001-of-00002.h5");
  EXPECT_EQ(shard.text("origin").find("bessemer shard of run 00000000000000aa, save "), 0u) << shard.text("origin");
  EXPECT_NE(shard.text("origin").find(", step 5, rank 1"), std::string::npos);
}

TEST(GoldenCheckpoints, OfEveryFormatVersionLoad) {
  for (const int version : {1, 2}) {
    const std::string path = concat(tests::kSourceDir, "/tests/trainer/golden/version-", version, "/step-0000000007");
    const auto verdict = verify_checkpoint(path);
    EXPECT_TRUE(verdict.problems.empty()) << verdict.problems.front();
    const auto checkpoint = CheckpointReader::open(path, Verify::kAll);
    EXPECT_TRUE(holds_small(checkpoint, 7)) << version;
    EXPECT_EQ(checkpoint.validation_loss(), 1.25);
    EXPECT_EQ(checkpoint.state().at("t"), 7);
    EXPECT_EQ(checkpoint.run_id(), version == 1 ? "" : "00000000000000aa");
  }
}

TEST(GoldenCheckpoints, OfALaterVersionNamesTheReleaseThatIsNeeded) {
  tests::TemporaryDirectory run;
  const std::string path = save_small(run.path(), 5) + "/manifest.json";
  auto j = nlohmann::json::parse(read_text(path));
  j["version"] = 3, j["environment"] = {{"bessemer", "7.1.0"}};
  j.erase("crc32c");
  std::string text = "{\"crc32c\":\"00000000\"," + j.dump().substr(1) + "\n";
  const uint32_t head = data::crc32c(text.data(), 11);
  const uint32_t crc = data::crc32c(text.data() + 19, text.size() - 19, head);
  char digits[9];
  std::snprintf(digits, sizeof digits, "%08x", crc);
  write_text_synced(path, text.replace(11, 8, digits));
  try {
    CheckpointReader::open(run.path() + "/step-0000000005");
    FAIL() << "it was read";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kBadData);
    EXPECT_NE(std::string(error.what())
                  .find("has format version 3, this program reads versions 1 to 2; use bessemer 7.1.0 or later"),
              std::string::npos)
        << error.what();
  }
}

}  // namespace
}  // namespace bessemer::trainer
