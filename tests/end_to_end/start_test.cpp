// What the real binary takes up at its start: another checkpoint's weights, an older checkpoint, another job's run.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/support/paths.h"
#include "tests/support/small_run.h"

namespace bessemer::trainer {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using tests::kBinary;
using tests::SmallRun;
using tests::under_mpirun;

class Begin : public testing::Test {
 protected:
  void damage(const std::string& path) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(-1, std::ios::end);
    file.put('\x55');
  }
  tests::Ended ckpt(std::vector<std::string> words) {
    words.insert(words.begin(), {kBinary, "ckpt"});
    return files_.run(words);
  }
  SmallRun files_;
};

TEST_F(Begin, WithAnotherRunsWeightsSaysWhatItTook) {
  ASSERT_EQ(files_.run(files_.train("a", {"--train.steps=300"})).code, 0);
  const auto more =
      files_.run(under_mpirun(2, files_.train("b", {"--train.steps=20", "--run.init_from=" + files_.dir("a"),
                                                    "--parallel.tp=2", "--run.seed=9"})));
  ASSERT_EQ(more.code, 0) << more.text;
  EXPECT_THAT(more.text, AllOf(HasSubstr("initial weights of " + files_.dir("a") + "/step-0000000300"),
                               HasSubstr("0 new"), HasSubstr("0 left over")));
  const auto a = tests::metric(files_.dir("a"), "loss"), b = tests::metric(files_.dir("b"), "loss");
  EXPECT_LT(b.at(1), a.at(1) - 0.2) << "it began anew";
  // A deeper model: what is new keeps the seed's values; a shallower one leaves some over. Both are said by name.
  const auto deeper =
      files_.run(files_.train("c", {"--train.steps=2", "--run.init_from=" + files_.dir("a"), "--model.layers=3"}));
  EXPECT_EQ(deeper.code, 0) << deeper.text;
  EXPECT_THAT(deeper.text, AllOf(HasSubstr("new        h.2.attention.q.weight"), Not(HasSubstr("left over  "))));
  const auto shallower =
      files_.run(files_.train("d", {"--train.steps=2", "--run.init_from=" + files_.dir("a"), "--model.layers=1"}));
  EXPECT_THAT(shallower.text, HasSubstr("left over  h.1.attention.q.weight"));
  const auto wider =
      files_.run(files_.train("e", {"--train.steps=2", "--run.init_from=" + files_.dir("a"), "--model.hidden=64"}));
  EXPECT_EQ(wider.code, 65);
  EXPECT_THAT(wider.text, HasSubstr("has shape"));
  const auto other = files_.run(files_.train(
      "g", {"--train.steps=2", "--run.init_from=" + files_.dir("a"), "--model.heads=2", "--model.kv_heads=1"}));
  EXPECT_EQ(other.code, 0) << other.text;
  EXPECT_THAT(other.text, HasSubstr("warning: model.heads was")) << "the same shapes, another function";
  const auto pickle = files_.files().file("model.pt");
  std::ofstream(pickle) << "\x80\x02";
  const auto refused = files_.run(files_.train("f", {"--run.init_from=" + pickle}));
  EXPECT_EQ(refused.code, 65);
  EXPECT_THAT(refused.text, HasSubstr("pickle"));
}

TEST_F(Begin, FromADamagedCheckpointTakesTheOneBeforeOrStops) {
  ASSERT_EQ(files_
                .run(under_mpirun(
                    2, files_.train("a", {"--train.steps=8", "--checkpoint.every=4", "--checkpoint.asynchronous=no"})))
                .code,
            0);
  const std::string shard = tests::checkpoint_path(files_.dir("a"), 8) + "/shard-00001-of-00002.h5";
  damage(shard);  // which rank 1 finds, in its share of the verification
  const auto stop = files_.run(under_mpirun(2, files_.train("a", {"--train.steps=10", "--run.on_corrupt=stop"})));
  EXPECT_EQ(stop.code, 65) << stop.text;
  EXPECT_THAT(stop.text, HasSubstr(shard));
  const auto previous = files_.run(under_mpirun(2, files_.train("a", {"--train.steps=10"})));
  EXPECT_EQ(previous.code, 0) << previous.text;
  EXPECT_THAT(previous.text, AllOf(HasSubstr("warning: skipping"), HasSubstr(shard), HasSubstr("resumed at step 4")));
  const auto asked = files_.run(files_.train("a", {"--run.resume=" + tests::checkpoint_path(files_.dir("a"), 8)}));
  EXPECT_EQ(asked.code, 65) << "nothing older is taken for one that was asked for: " << asked.text;
}

TEST_F(Begin, WithNoneThatIsWholeDoesNotBeginAnewBySilence) {
  ASSERT_EQ(files_.run(files_.train("a", {"--train.steps=8"})).code, 0);
  damage(tests::checkpoint_path(files_.dir("a"), 8) + "/shard-00000-of-00001.h5");
  const auto before = tests::metric_bits(files_.dir("a"));
  const auto ended = files_.run(files_.train("a", {"--train.steps=10"}));
  EXPECT_EQ(ended.code, 65) << ended.text;
  EXPECT_THAT(ended.text, AllOf(HasSubstr("none of its checkpoints can be used"), HasSubstr("begin anew in another")));
  EXPECT_EQ(tests::metric_bits(files_.dir("a")), before);
}

TEST_F(Begin, SavesByTimeToo) {
  const auto timed = files_.run(files_.train(
      "a", {"--train.wall_time=4s", "--checkpoint.every=0", "--checkpoint.interval=1s", "--checkpoint.keep=100"}));
  EXPECT_EQ(timed.code, 75) << timed.text;
  const auto steps = checkpoint_steps(files_.dir("a"));
  EXPECT_GE(steps.size(), 3u);
  EXPECT_LE(steps.size(), 5u);
  EXPECT_THAT(timed.text, HasSubstr("training waited"));
}

TEST_F(Begin, AfterAnotherJobTookTheRunTheFirstStops) {
  tests::Process first(files_.train("a", {"--train.steps=100000"}), files_.log());
  ASSERT_TRUE(first.prints("step      5/")) << first.text();
  const auto second = files_.files().file("second");
  tests::Process taker(files_.train("a", {"--train.steps=100000", "--train.wall_time=1s", "--force"}), second);
  const auto ended = first.wait();
  EXPECT_EQ(ended.code, 69) << ended.text;
  EXPECT_THAT(ended.text, HasSubstr("another job has taken this run"));
  const auto took = taker.wait();
  EXPECT_EQ(took.code, 75) << took.text;
  EXPECT_THAT(took.text, HasSubstr("--force took it"));
  EXPECT_THAT(took.text.substr(took.text.find("go on with")), Not(HasSubstr("--force")));
}

// The error of one rank in the middle of training: the others wait in a collective and must be ended.
TEST_F(Begin, UnderMpirunAJobThatLosesItsRunEndsAtOnce) {
  tests::Process first(under_mpirun(2, files_.train("a", {"--train.steps=100000"})), files_.log());
  ASSERT_TRUE(first.prints("step      5/")) << first.text();
  std::filesystem::rename(files_.dir("a"), files_.dir("moved"));
  const auto ended = first.wait(30);
  EXPECT_EQ(ended.code, 69) << ended.text;
  EXPECT_THAT(ended.text, HasSubstr("was moved or removed"));
}

TEST_F(Begin, AtAPlaceThatIsSomethingElseIsRefused) {
  ASSERT_EQ(files_.run(files_.train("a", {"--train.steps=2"})).code, 0);
  EXPECT_EQ(files_.run(files_.train("a/step-0000000002", {"--train.steps=2"})).code, 64);
  const auto data = files_.run({kBinary, "train", files_.ini(), "--run.dir=" + files_.data(), "--train.steps=2"});
  EXPECT_EQ(data.code, 64) << data.text;
  EXPECT_THAT(data.text, HasSubstr("is a data set"));
  // A start that was refused binds nothing.
  EXPECT_EQ(files_.run(files_.train("b", {"--run.init_from=nowhere"})).code, 65);
  EXPECT_EQ(files_.run(files_.train("b", {"--train.steps=2", "--model.hidden=64"})).code, 0);
}

TEST_F(Begin, WithAnotherBinaryOnOneRankIsRefusedByName) {
  const auto other = files_.files().file("other-bessemer");
  std::filesystem::copy_file(kBinary, other);
  std::ofstream(other, std::ios::app | std::ios::binary) << "x";
  auto words = under_mpirun(1, files_.train("a", {"--train.steps=2"}));
  const auto again = files_.train("a", {"--train.steps=2"});
  words.insert(words.end(), {":", "-n", "1", other});
  words.insert(words.end(), again.begin() + 1, again.end());
  const auto ended = files_.run(words);
  EXPECT_EQ(ended.code, 69) << ended.text;
  EXPECT_THAT(ended.text, AllOf(HasSubstr("rank 0 has binary = "), HasSubstr("rank 1 has binary = ")));
}

TEST_F(Begin, SaysWhichBitsItPromises) {
  const auto fresh = files_.run(files_.train("a", {"--train.steps=4"}));
  EXPECT_THAT(fresh.text, HasSubstr("same bits: this command repeats the run"));
  const auto same = files_.run(files_.train("a", {"--train.steps=6"}));
  EXPECT_THAT(same.text, HasSubstr("goes on bit for bit as if unbroken"));
  const auto longer = files_.run(files_.train("s", {"--train.steps=4", "--optimizer.decay_steps=0"}));
  const auto again = files_.run(files_.train("s", {"--train.steps=6", "--optimizer.decay_steps=0"}));
  EXPECT_THAT(again.text, AllOf(HasSubstr("not bit for bit"), HasSubstr("(optimizer.decay_steps) was 4 and is 6")));
  const auto other = files_.run(under_mpirun(2, files_.train("a", {"--train.steps=8"})));
  EXPECT_THAT(other.text, AllOf(HasSubstr("not bit for bit"), HasSubstr("dp was 1 and is 2")));
}

TEST_F(Begin, CheckpointsCanBeComparedAndPruned) {
  ASSERT_EQ(files_
                .run(files_.train("a", {"--train.steps=8", "--checkpoint.every=2", "--checkpoint.keep=9",
                                        "--checkpoint.asynchronous=no"}))
                .code,
            0);
  ASSERT_EQ(files_.run(files_.train("b", {"--train.steps=8"})).code, 0);
  ASSERT_EQ(files_.run(under_mpirun(2, files_.train("c", {"--train.steps=8"}))).code, 0);
  const auto same = ckpt({"diff", files_.dir("a"), files_.dir("b")});
  EXPECT_EQ(same.code, 0) << same.text;
  EXPECT_THAT(same.text, AllOf(HasSubstr("option   A checkpoint.every = 2"), HasSubstr("all tensors are equal")));
  const auto rounded = ckpt({"diff", files_.dir("a"), files_.dir("c")});
  EXPECT_EQ(rounded.code, 65);
  EXPECT_THAT(rounded.text, AllOf(HasSubstr("elements differ, by at most"), HasSubstr("state    layout/dp: A 1, B 2")));
  EXPECT_EQ(ckpt({"diff", files_.dir("a"), files_.dir("c"), "--rtol", "1e4"}).code, 0)
      << "rounding alone makes some of them";
  const auto other = ckpt({"diff", files_.dir("a"), tests::checkpoint_path(files_.dir("a"), 4), "--json"});
  EXPECT_EQ(other.code, 65);
  EXPECT_FALSE(nlohmann::json::parse(other.text).at("equal").get<bool>());

  const auto dry = ckpt({"prune", files_.dir("a"), "--keep", "1", "--dry-run"});
  EXPECT_EQ(dry.code, 0) << dry.text;
  EXPECT_THAT(dry.text, AllOf(HasSubstr("would remove 3 checkpoints"),
                              HasSubstr("would go  " + tests::checkpoint_path(files_.dir("a"), 2))));
  EXPECT_EQ(checkpoint_steps(files_.dir("a")).size(), 4u);
  EXPECT_EQ(ckpt({"prune", files_.dir("a"), "--keep", "1", "--keep-every", "4"}).code, 0);
  EXPECT_EQ(checkpoint_steps(files_.dir("a")), (std::vector<int64_t>{4, 8}));
  EXPECT_EQ(ckpt({"verify", files_.dir("a"), "--deep"}).code, 0);
}

}  // namespace
}  // namespace bessemer::trainer
