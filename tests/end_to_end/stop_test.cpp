// How a run ends early, what refuses to start, and what goes on: the real binary, as a user sees it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/paths.h"
#include "tests/support/small_run.h"

namespace bessemer::trainer {
namespace {

using testing::HasSubstr;
using testing::Not;
using tests::SmallRun;
using tests::under_mpirun;

int64_t newest(const std::string& run) { return find_newest(run, Verify::kAll).step; }

class Stop : public testing::Test {
 protected:
  /// A stop asked for in the middle: exit 75, a good checkpoint of the last step, and the command that goes on.
  void expect_stopped(const tests::Ended& ended, const std::string& name, const std::string& reason) {
    EXPECT_EQ(ended.code, 75) << ended.text;
    EXPECT_THAT(ended.text, HasSubstr(reason));
    EXPECT_THAT(ended.text, HasSubstr("go on with: "));
    EXPECT_THAT(ended.text, HasSubstr("bessemer train " + files_.ini() + " --run.dir=" + files_.dir(name)));
    const auto losses = tests::metric(files_.dir(name), "loss");
    EXPECT_EQ(newest(files_.dir(name)), losses.empty() ? 0 : losses.rbegin()->first) << "steps were lost";
    EXPECT_FALSE(std::filesystem::exists(files_.dir(name) + "/stop"));
  }

  SmallRun files_;
};

TEST_F(Stop, BySignalOrFileOrTimeSavesAndSaysHowToGoOn) {
  for (const auto& [number, word] : std::vector<std::pair<int, std::string>>{
           {SIGUSR1, "SIGUSR1"}, {SIGTERM, "SIGTERM"}, {SIGINT, "Ctrl-C"}, {SIGHUP, "SIGHUP"}}) {
    tests::Process job(files_.train(word), files_.log());
    ASSERT_TRUE(job.prints("step      5/")) << job.text();
    job.signal(number);
    expect_stopped(job.wait(), word, word);
  }
  tests::Process job(files_.train("file"), files_.log());
  ASSERT_TRUE(job.prints("step      5/")) << job.text();
  std::ofstream(files_.dir("file") + "/stop");
  expect_stopped(job.wait(), "file", "the file " + files_.dir("file") + "/stop");
  expect_stopped(files_.run(files_.train("time", {"--train.wall_time=1s"})), "time", "train.wall_time of 1 s");
}

TEST_F(Stop, AskedForBeforeTheFirstStepIsNotForgotten) {
  tests::Process job(files_.train("early"), files_.log());
  while (job.running() && !job.catches(SIGUSR1)) std::this_thread::sleep_for(std::chrono::microseconds(100));
  job.signal(SIGUSR1);
  ASSERT_EQ(job.text().find("step "), std::string::npos) << "not early: " << job.text();
  expect_stopped(job.wait(), "early", "SIGUSR1");
}

/// A fetch of data that stalls when it is told to.
class StopWhileDataStall : public Stop {
 protected:
  std::vector<std::string> far(const std::vector<std::string>& more) const {
    const std::string fetch = "case {src} in *" + shards_ + "*) if test -e " + stall_ + "; then touch " + stall_ +
                              "ed; sleep 600; fi;; esac; cp " + here_.substr(0, here_.size() - 4) + "{src} {dst}";
    auto words =
        files_.train("far", {"--data.path=mine", "--data.fetch=" + fetch, "--data.cache=" + files_.dir("cache"),
                             "--train.steps=30", "--train.eval_every=5", "--checkpoint.every=0"});
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  void stall() const { std::ofstream(stall_).close(); }
  void stop_once_stalled(tests::Process& job) {
    while (job.running() && !std::filesystem::exists(stall_ + "ed"))
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    ASSERT_TRUE(job.running()) << job.text();
    std::this_thread::sleep_for(std::chrono::milliseconds(300));  // it waits now, if it has no rows
    job.signal(SIGTERM);
  }
  /// The rest of the run, with data that come: as if nothing had been.
  void expect_rest(const std::vector<std::string>& words) {
    std::filesystem::remove(stall_);
    for (int starts = 0; starts < 2; ++starts) {  // the second one finds it complete
      const auto ended = files_.run(words);
      ASSERT_EQ(ended.code, 0) << ended.text;
    }
    ASSERT_EQ(files_
                  .run(files_.train("near", {"--data.path=" + here_, "--train.steps=30", "--train.eval_every=5",
                                             "--checkpoint.every=0"}))
                  .code,
              0);
    EXPECT_EQ(tests::difference(files_.dir("far"), files_.dir("near"), 30), "");
  }
  std::string shards_ = "train";  ///< names of those that stall hold it
  const std::string here_ = tests::make_data(files_.files(), "mine", 5, 1000, 700), stall_ = files_.dir("stall");
};

TEST_F(StopWhileDataStall, AStepThatWaitsForRowsIsLeft) {
  const auto words = far({"--data.cache_gb=0.00005"});  // of few shards: each step fetches
  tests::Process job(words, files_.log());
  ASSERT_TRUE(job.prints("step  5/")) << job.text();
  stall();
  stop_once_stalled(job);
  const auto begin = std::chrono::steady_clock::now();
  expect_stopped(job.wait(), "far", "SIGTERM");
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(60)) << "a fetch may take 300 s";
  expect_rest(words);
}

TEST_F(StopWhileDataStall, AStartThatWaitsEndsAtOnce) {
  shards_ = "dataset.json";
  stall();
  tests::Process job(far({}), files_.log());
  while (job.running() && !std::filesystem::exists(stall_ + "ed"))
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  job.signal(SIGTERM);
  EXPECT_EQ(job.wait().code, 128 + SIGTERM);
  EXPECT_FALSE(std::filesystem::exists(files_.dir("far")));
}

TEST_F(StopWhileDataStall, AnEvaluationThatWaitsIsMadeAtTheResume) {
  shards_ = "val";
  stall();
  const auto words = far({});
  tests::Process job(words, files_.log());
  stop_once_stalled(job);
  expect_stopped(job.wait(), "far", "SIGTERM");
  EXPECT_EQ(newest(files_.dir("far")), 5);
  EXPECT_TRUE(tests::metric(files_.dir("far"), "eval_loss").empty());
  expect_rest(words);
}

TEST_F(StopWhileDataStall, ARunThatIsStoppedBeforeItsFirstStepGoesOnFromThere) {
  stall();
  const auto words = far({});
  tests::Process job(words, files_.log());
  stop_once_stalled(job);
  expect_stopped(job.wait(), "far", "SIGTERM");
  EXPECT_EQ(newest(files_.dir("far")), 0);
  expect_rest(words);
}

TEST_F(Stop, ThenTheSameCommandEndsWithTheUnbrokenRunsBits) {
  const std::vector<std::string> options{"--train.steps=120", "--checkpoint.every=0", "--parallel.tp=2",
                                         "--parallel.sequence_parallel"};
  ASSERT_EQ(files_.run(under_mpirun(4, files_.train("whole", options))).code, 0);
  tests::Process job(under_mpirun(4, files_.train("broken", options)), files_.log());
  ASSERT_TRUE(job.prints("step   7/")) << job.text();
  job.signal(SIGUSR1);  // mpirun hands it to every rank
  expect_stopped(job.wait(), "broken", "SIGUSR1");
  const auto losses = tests::metric(files_.dir("broken"), "loss");
  ASSERT_LT(losses.size(), 120u) << "it was over before it was stopped";
  const auto again = files_.run(under_mpirun(4, files_.train("broken", options)));
  EXPECT_EQ(again.code, 0) << again.text;
  EXPECT_THAT(again.text, HasSubstr("resumed at step " + std::to_string(losses.rbegin()->first)));
  EXPECT_EQ(tests::difference(files_.dir("broken"), files_.dir("whole"), 120), "");
}

TEST_F(Stop, AFinishedRunIsCompleteAndCanBeMadeLonger) {
  const auto first = files_.run(files_.train("a", {"--train.steps=6"}));
  EXPECT_EQ(first.code, 0);
  EXPECT_THAT(first.text, HasSubstr("done at step 6: all 6 steps are done"));
  EXPECT_THAT(first.text, HasSubstr("--train.steps=12, or bessemer generate --model " + files_.dir("a")));
  EXPECT_THAT(first.text, Not(HasSubstr("--train.steps=6 --train.steps=12")));
  const auto again = files_.run(files_.train("a", {"--train.steps=6"}));
  EXPECT_EQ(again.code, 0);
  EXPECT_THAT(again.text, HasSubstr("complete already at step 6"));
  EXPECT_EQ(files_.run(files_.train("a", {"--train.steps=12"})).code, 0);
  EXPECT_EQ(tests::metric(files_.dir("a"), "loss").size(), 12u);
}

TEST_F(Stop, LimitsOfTokensAndEpochsEndARun) {
  EXPECT_THAT(files_.run(files_.train("tokens", {"--train.tokens=300"})).text,
              HasSubstr("done at step 5: 320 tokens are done"));
  EXPECT_THAT(files_.run(files_.train("epochs", {"--train.epochs=0.01"})).text, HasSubstr("0.01 epochs are done"));
}

TEST_F(Stop, ASecondJobInOneDirectoryIsRefused) {
  tests::Process job(files_.train("a"), files_.log());
  ASSERT_TRUE(job.prints("step      1/")) << job.text();
  tests::Process second(files_.train("a"), files_.files().file("second"));
  const auto ended = second.wait();
  EXPECT_EQ(ended.code, 69);
  EXPECT_THAT(ended.text, HasSubstr("another job holds this run (host "));
  EXPECT_THAT(ended.text, HasSubstr("process " + std::to_string(job.pid())));
  job.signal(SIGTERM);
  EXPECT_EQ(job.wait().code, 75);
}

TEST_F(Stop, ChangedOptionsAreRefusedByName) {
  ASSERT_EQ(files_.run(files_.train("a", {"--train.steps=4"})).code, 0);
  for (const bool mpi : {false, true}) {
    const auto words =
        files_.train("a", {"--train.steps=8", "--optimizer.lr=2e-3", "--model.hidden=64", "--run.seed=2"});
    const auto ended = files_.run(mpi ? under_mpirun(2, words) : words);
    EXPECT_EQ(ended.code, 64) << ended.text;
    EXPECT_THAT(ended.text, HasSubstr("optimizer.lr was 0.001 in " + files_.dir("a") + "/config.ini and is now 0.002"));
    EXPECT_THAT(ended.text, HasSubstr("model.hidden was 32"));
    EXPECT_THAT(ended.text, HasSubstr("run.seed was 1337"));
  }
  const auto none = files_.run(files_.train("a", {"--run.resume=none"}));
  EXPECT_EQ(none.code, 64);
  EXPECT_THAT(none.text, HasSubstr("holds a run already, and run.resume is none"));
  EXPECT_EQ(
      files_
          .run(files_.train("a", {"--train.steps=8", "--train.micro_batch=2", "--checkpoint.every=3", "--log.every=5"}))
          .code,
      0)
      << "these may change";
}

TEST_F(Stop, AGarbledCopyOfTheOptionsIsNotReadAsDefaults) {
  ASSERT_EQ(files_.run(files_.train("a", {"--train.steps=4"})).code, 0);
  std::ofstream(files_.dir("a") + "/config.ini") << std::string(1000, '\0');
  const auto ended = files_.run(files_.train("a", {"--train.steps=6"}));
  EXPECT_EQ(ended.code, 65) << ended.text;
  EXPECT_THAT(ended.text, HasSubstr("config.ini: is not the configuration of a run"));
}

TEST_F(Stop, ACorruptCheckpointIsPassedOverForTheOneBeforeIt) {
  ASSERT_EQ(files_.run(files_.train("a", {"--train.steps=8", "--checkpoint.every=4"})).code, 0);
  const std::string shard = tests::checkpoint_path(files_.dir("a"), 8) + "/shard-00000-of-00001.h5";
  std::fstream file(shard, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(20000).put('x').put('y').flush();
  for (int64_t at = 20000; at < static_cast<int64_t>(std::filesystem::file_size(shard)); at += 512)
    file.seekp(at).put('x').flush();
  EXPECT_EQ(files_.run({tests::kBinary, "ckpt", "verify", files_.dir("a")}).code, 65);
  const auto text =
      files_.run({tests::kBinary, "generate", "--model", files_.dir("a"), "--prompt", "a", "--tokens", "2"});
  EXPECT_EQ(text.code, 0) << text.text;
  EXPECT_THAT(text.text, HasSubstr("warning: skipping " + tests::checkpoint_path(files_.dir("a"), 8)));
  const auto ended = files_.run(files_.train("a", {"--train.steps=12", "--checkpoint.every=4"}));
  EXPECT_EQ(ended.code, 0) << ended.text;
  EXPECT_THAT(ended.text, HasSubstr("warning: skipping " + tests::checkpoint_path(files_.dir("a"), 8)));
  EXPECT_THAT(ended.text, HasSubstr("resumed at step 4 from"));
  EXPECT_TRUE(verify_checkpoint(tests::checkpoint_path(files_.dir("a"), 8)).problems.empty())
      << "the step was saved anew";
}

TEST_F(Stop, DataOfAnotherBuildIsRefused) {
  ASSERT_EQ(files_.run(files_.train("a", {"--train.steps=4"})).code, 0);
  const auto other = tests::make_data(files_.files(), "other", 2);
  for (const bool mpi : {false, true}) {
    const auto words = files_.train("a", {"--train.steps=8", "--data.path=" + other});
    const auto ended = files_.run(mpi ? under_mpirun(2, words) : words);
    EXPECT_EQ(ended.code, 65) << ended.text;
    EXPECT_THAT(ended.text, HasSubstr("was trained on other data"));
    EXPECT_THAT(RunDirectory::join(files_.dir("a")).read_config(), Not(HasSubstr(other))) << "a refusal wrote";
  }
}

TEST_F(Stop, ALossThatIsNotFiniteEndsTheRunWith77) {
  for (const bool mpi : {false, true}) {
    const auto words = files_.train(mpi ? "two" : "one", {"--optimizer.lr=1e30", "--optimizer.clip=0",
                                                          "--optimizer.warmup=0", "--checkpoint.every=1"});
    const auto ended = files_.run(mpi ? under_mpirun(2, words) : words);
    EXPECT_EQ(ended.code, 77) << ended.text;
    EXPECT_THAT(ended.text, HasSubstr("is not finite"));
    EXPECT_THAT(ended.text, HasSubstr("Lower optimizer.lr"));
  }
}

}  // namespace
}  // namespace bessemer::trainer
