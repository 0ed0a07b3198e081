// The real binary under mpirun, killed with -9 at random instants, ends with the unbroken run's bits.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <random>

#include "tests/support/small_run.h"

namespace bessemer::trainer {
namespace {

constexpr int kKills = 20;

/// Names in a run's directory that a save or a removal which was killed leaves behind.
int leftovers(const std::string& run) {
  int count = 0;
  if (!std::filesystem::exists(run)) return 0;
  for (const auto& entry : std::filesystem::directory_iterator(run)) {
    const std::string name = entry.path().filename();
    count += name.starts_with(".tmp-") || name.starts_with(".trash-");
  }
  return count;
}

void expect_every_checkpoint_verifies(const std::string& run) {
  for (const int64_t step : checkpoint_steps(run)) {
    const auto problems = verify_checkpoint(tests::checkpoint_path(run, step));
    EXPECT_TRUE(problems.empty()) << problems.front();
  }
}

TEST(Kill, OfARandomRankAtTwentyInstantsChangesNoBit) {
  const char* given = std::getenv("BESSEMER_KILL_SEED");
  const auto seed = given != nullptr ? static_cast<unsigned>(std::atoll(given)) : std::random_device{}();
  std::printf("repeat with BESSEMER_KILL_SEED=%u\n", seed);
  std::mt19937 random(seed);
  const auto uniform = [&](int below) { return static_cast<int>(random() % static_cast<unsigned>(below)); };

  const tests::SmallRun files;
  const std::vector<std::string> options{"--train.steps=250", "--checkpoint.every=2", "--checkpoint.keep=2"};
  ASSERT_EQ(files.run(tests::under_mpirun(2, files.train("whole", options))).code, 0);
  int kills = 0, while_saving = 0, lives = 0, runs = 0;
  while (kills < kKills) {
    const std::string name = "broken" + std::to_string(runs++), run = files.dir(name);
    for (bool done = false; !done;) {
      tests::Process job(tests::under_mpirun(2, files.train(name, options)), files.log());
      ++lives;
      bool killed = false;
      if (kills < kKills) {
        if (uniform(5) != 0) job.prints(" | loss ");  // one in five dies while it starts
        std::this_thread::sleep_for(std::chrono::milliseconds(uniform(700)));
        auto ranks = job.ranks();
        while (ranks.empty() && job.running()) ranks = job.ranks();
        if (!ranks.empty() &&
            kill(ranks[static_cast<std::size_t>(uniform(static_cast<int>(ranks.size())))], SIGKILL) == 0)
          ++kills, killed = true;
      }
      const auto ended = job.wait();
      done = ended.code == 0;
      // mpirun says "signal 9", but of a rank that died before it was in MPI only that it "returned a non-zero exit
      // code".
      ASSERT_TRUE(done || (killed && ended.text.find("error:") == std::string::npos)) << "exit " << ended.code << "\n"
                                                                                      << ended.text;
      while_saving += leftovers(run) > 0;
      expect_every_checkpoint_verifies(run);
    }
    EXPECT_EQ(leftovers(run), 0);
    EXPECT_EQ(tests::difference(run, files.dir("whole"), 250), "") << "seed " << seed;
  }
  std::printf("%d kills, %d of them while saving or removing, in %d lives of %d runs\n", kills, while_saving, lives,
              runs);
}

}  // namespace
}  // namespace bessemer::trainer
