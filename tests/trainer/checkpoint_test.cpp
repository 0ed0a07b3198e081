#include "trainer/checkpoint.h"

#include <gtest/gtest.h>

#include <atomic>
#include <optional>
#include <thread>

#include "parallel/error.h"
#include "tests/support/small_checkpoint.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/thread_world.h"

namespace bessemer::trainer {
namespace {

using parallel::Grid;
using tests::element;
using tests::run_ranks;

// A directory that rank 0 makes and all ranks use.
class SharedDirectory {
 public:
  explicit SharedDirectory(const Grid& grid) : world_(grid.world) {
    if (grid.rank == 0) own_.emplace();
    path_ = world_.broadcast(own_ ? own_->path() : "", 0);
  }
  ~SharedDirectory() { world_.barrier(); }
  const std::string& path() const { return path_; }

 private:
  parallel::Group world_;
  std::optional<tests::TemporaryDirectory> own_;
  std::string path_;
};

// n ranks: a matrix cut along dim 1, one along dim 0, an odd vector cut flat as ZeRO does, a vector rank 0 keeps.
tests::Parts parts_of(int rank, int ranks, int64_t step) {
  const int64_t r = rank, n = ranks;
  tests::Parts parts;
  parts.add("params/column", step, {5, 8, 3}, 1, 8 * r / n, 8 * (r + 1) / n);
  parts.add("params/row", step, {8, 5}, 0, 8 * r / n, 8 * (r + 1) / n);
  parts.add("momentum/flat", step, {13, 7}, 0, 0, 13, 91 * r / n, 91 * (r + 1) / n - 91 * r / n);
  if (rank == 0) parts.add("variance/norm", step, {9}, 0, 0, 9);
  return parts;
}

CheckpointContent content_of(const tests::Parts& parts, int64_t step) {
  CheckpointContent content;
  content.step = step;
  content.chunks = parts.chunks;
  content.state = {{"scale", 65536.0}, {"rows", int64_t{1} << 62}, {"third", 1.0 / 3}};
  content.config = "[run]\nseed = 7\n";
  content.tokenizer = "{}";
  return content;
}

SaverOptions two_kept() {
  SaverOptions options;
  options.retention.keep = 2;
  return options;
}

/// A saver of `options` saves `parts` and waits.
SaveEnd save(const RunDirectory& run, const tests::Parts& parts, CheckpointContent content, const Grid& grid,
             SaverOptions options = two_kept()) {
  CheckpointSaver saver(run, std::move(options), !parts.chunks.empty(), grid.world);
  saver.start(std::move(content));
  return saver.finish();
}

void expect_whole(const CheckpointReader& checkpoint, const std::string& name, int64_t elements, int64_t step) {
  std::vector<float> out(static_cast<std::size_t>(elements));
  checkpoint.read(name, out.data());
  for (int64_t i = 0; i < elements; ++i) ASSERT_EQ(out[static_cast<std::size_t>(i)], element(name, step, i)) << name;
}

void round_trip(const Grid& grid) {
  const SharedDirectory run(grid);
  const auto parts = parts_of(grid.rank, grid.world.size(), 40);
  const auto directory = RunDirectory::join(run.path(), "00000000000000bb");
  const auto saved = save(directory, parts, content_of(parts, 40), grid);
  EXPECT_EQ(saved.problem, "");
  EXPECT_EQ(saved.path, run.path() + "/step-0000000040");
  const auto checkpoint = CheckpointReader::open(saved.path, Verify::kAll);
  EXPECT_EQ(checkpoint.state()["third"].get<double>(), 1.0 / 3);
  EXPECT_EQ(checkpoint.state()["rows"].get<int64_t>(), int64_t{1} << 62);
  expect_whole(checkpoint, "params/column", 120, 40);
  expect_whole(checkpoint, "params/row", 40, 40);
  expect_whole(checkpoint, "momentum/flat", 91, 40);
  expect_whole(checkpoint, "variance/norm", 9, 40);
  // Another layout: three ranks, cut along the other dimension, the middle one's second half.
  const int64_t dim0 = 5, third = 8 / 3;
  std::vector<float> out(static_cast<std::size_t>(dim0 * third * 3 - 7));
  checkpoint.read("params/column", 1, third, 2 * third, 7, static_cast<int64_t>(out.size()), out.data());
  for (std::size_t i = 0; i < out.size(); ++i) {
    const int64_t at = static_cast<int64_t>(i) + 7, row = at / (third * 3);
    ASSERT_EQ(out[i], element("params/column", 40, row * 24 + third * 3 + at % (third * 3)));
  }
}

TEST(CheckpointRanks, OneWritesAndAnyLayoutReads) { run_ranks(1, round_trip); }
TEST(CheckpointRanks, TwoWriteAndAnyLayoutReads) { run_ranks(2, round_trip); }
TEST(CheckpointRanks, FourWriteAndAnyLayoutReads) { run_ranks(4, round_trip); }

TEST(CheckpointRanks, AFailureOfOneRankIsEverybodysAndTheOldOneStays) {
  run_ranks(2, [](const Grid& grid) {
    const SharedDirectory run(grid);
    const auto directory = RunDirectory::join(run.path());
    const auto parts = parts_of(grid.rank, 2, 1);
    save(directory, parts, content_of(parts, 1), grid);
    const std::vector<std::pair<int, std::string_view>> faults{
        {0, "write shard"}, {1, "write shard"}, {1, "write rank file"}, {0, "check records"}, {0, "rename"}};
    for (const auto& [failing, where] : faults) {
      auto options = two_kept();
      options.reached = [&, failing = failing, where = where](std::string_view step) {
        if (grid.rank == failing && step == where) fail(ExitCode::kEnvironment, "no space left");
      };
      const auto ended = save(directory, parts, content_of(parts, 2), grid, options);
      EXPECT_EQ(ended.path, "");
      EXPECT_EQ(ended.problem, concat("rank ", failing, ": no space left"));
      grid.world.barrier();
      EXPECT_EQ(list_directory(run.path()), std::vector<std::string>{"step-0000000001"}) << where;
    }
    save(directory, parts, content_of(parts, 3), grid);  // the run goes on, and so do its checkpoints
    EXPECT_EQ(find_newest(run.path(), Verify::kAll).step, 3);
  });
}

// Steps go on while a save is under way; its end is known to all ranks at the same step.
TEST(CheckpointRanks, TrainingGoesOnAndAllRanksLearnOfTheEndAtOneStep) {
  run_ranks(4, [](const Grid& grid) {
    const SharedDirectory run(grid);
    const auto directory = RunDirectory::join(run.path());
    const auto parts = parts_of(grid.rank, 4, 7);
    std::atomic<bool> disk{false};  // one slow disk
    auto options = two_kept();
    options.reached = [&](std::string_view step) {
      while (grid.rank == 2 && step == "write shard" && !disk) std::this_thread::yield();
    };
    CheckpointSaver saver(directory, options, true, grid.world);
    EXPECT_FALSE(saver.busy());
    saver.start(content_of(parts, 7));
    int64_t steps = 0;
    std::optional<SaveEnd> ended;
    while (!ended) {
      EXPECT_TRUE(saver.busy());
      if (++steps == 50) {
        EXPECT_TRUE(checkpoint_steps(run.path()).empty());
        disk = true;
      }
      const auto mine = saver.votes();
      ended = saver.settle({grid.world.all_reduce(mine.finished, parallel::ReduceOp::kSum),
                            grid.world.all_reduce(mine.failed, parallel::ReduceOp::kSum)});
    }
    EXPECT_GT(steps, 50);
    EXPECT_EQ(grid.world.all_reduce(steps, parallel::ReduceOp::kMax), steps);
    EXPECT_FALSE(saver.busy());
    EXPECT_TRUE(verify_checkpoint(ended->path).problems.empty());
  });
}

TEST(CheckpointRanks, ALostLeasePublishesNothing) {
  run_ranks(2, [](const Grid& grid) {
    const SharedDirectory run(grid);
    const auto directory = RunDirectory::join(run.path());
    const auto parts = parts_of(grid.rank, 2, 1);
    auto options = two_kept();
    options.before_publish = [] { fail(ExitCode::kEnvironment, "another job has taken this run"); };
    EXPECT_EQ(save(directory, parts, content_of(parts, 1), grid, options).problem,
              "rank 0: another job has taken this run");
    grid.world.barrier();  // rank 0 removes what was written
    EXPECT_TRUE(list_directory(run.path()).empty());
  });
}

TEST(CheckpointRanks, ElementsThatTwoRanksWriteAreRefused) {
  run_ranks(2, [](const Grid& grid) {
    const SharedDirectory run(grid);
    tests::Parts parts;
    parts.add("params/w", 1, {4}, 0, 0, 4);
    const auto directory = RunDirectory::join(run.path());
    EXPECT_NE(save(directory, parts, content_of(parts, 1), grid).problem.find("params/w"), std::string::npos);
    EXPECT_TRUE(checkpoint_steps(run.path()).empty());
  });
}

TEST(CheckpointRanks, OnlyTheNewestAreKept) {
  run_ranks(2, [](const Grid& grid) {
    const SharedDirectory run(grid);
    for (int64_t step = 1; step <= 4; ++step) {
      const auto parts = parts_of(grid.rank, 2, step);
      auto content = content_of(parts, step);
      content.validation_loss = static_cast<double>(step);
      const auto directory = RunDirectory::join(run.path());
      save(directory, parts, content, grid);
    }
    EXPECT_EQ(checkpoint_steps(run.path()), (std::vector<int64_t>{1, 3, 4}));  // the best, and two
  });
}

}  // namespace
}  // namespace bessemer::trainer
