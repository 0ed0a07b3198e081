#include "trainer/publish.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "parallel/error.h"
#include "tests/support/small_checkpoint.h"
#include "tests/support/temporary_directory.h"
#include "trainer/files.h"

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
  apply_retention(run, 1);
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
    const auto plan = begin_save(run.path(), 2, 1, 1 << 18, [](std::string_view) {});
    try {
      write_rank(plan, 0, 0, parts.chunks, [](std::string_view) {});
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

// The check at the beginning is told too small a size, as if another program had filled the disk meanwhile.
void save_on_a_full_disk(const std::string& run) {
  const Reached nothing = [](std::string_view) {};
  save_small(run, 1);
  tests::Parts parts;
  parts.add("params/w", 2, {1 << 20}, 0, 0, 1 << 20);
  const std::string filler = run + "/filler";
  for (const int64_t left : {int64_t{300} << 10, int64_t{12} << 10, int64_t{4} << 10, int64_t{0}}) {
    remove_tree(filler);
    const auto plan = begin_save(run, 2, 1, 64, nothing);
    const int64_t fill = free_bytes(run) - left;
    reserve(open_file(filler, O_WRONLY | O_CREAT), filler, fill);
    try {
      write_rank(plan, 0, 0, parts.chunks, nothing);
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

TEST(Save, MoreThanTheDiskHoldsIsRefusedBeforeAnythingIsWritten) {
  tests::TemporaryDirectory run;
  EXPECT_THROW(begin_save(run.path(), 1, 1, int64_t{1} << 60, [](std::string_view) {}), Error);
  EXPECT_TRUE(list_directory(run.path()).empty());
}

TEST(Save, WithATensorThatIsNotWholeIsNotPublished) {
  tests::TemporaryDirectory run;
  const Reached nothing = [](std::string_view) {};
  const auto plan = begin_save(run.path(), 1, 1, 64, nothing);
  tests::Parts parts;
  parts.add("params/w", 1, {8}, 0, 0, 8, 0, 7);
  Manifest manifest{plan.save_id, 1, 0, {write_rank(plan, 0, 0, parts.chunks, nothing)}, {}, "", ""};
  EXPECT_THROW(publish(plan, manifest, nothing), Error);
  EXPECT_TRUE(checkpoint_steps(run.path()).empty());
}

}  // namespace
}  // namespace bessemer::trainer
