// A run that ends anywhere and goes on from its newest checkpoint is the unbroken run. Ranks are threads, files are
// real.
#include <gtest/gtest.h>

#include <filesystem>

#include "data/corpus.h"
#include "data/tokenizer.h"
#include "tests/support/gpt_run.h"
#include "tests/support/run_files.h"
#include "trainer/run.h"

namespace bessemer::trainer {
namespace {

using tests::checkpoint_path;
using tests::GptLayout;

constexpr int64_t kSteps = 12;

/// A data set and a training of it; every run of it lives in a directory of its own.
class Resume : public testing::Test {
 protected:
  Resume() : data_(tests::make_data(files_)) {
    shape_ = tests::gpt2_like();
    shape_.vocab = data::open_tokenizer(data_)->vocab_size();
    options_ = tests::gpt_training(8);
    options_.train.steps = kSteps, options_.train.micro_batch = 2, options_.train.eval_every = 4,
    options_.train.eval_batches = 2;
    options_.optimizer.warmup = 3;
  }

  std::string dir(const std::string& name) const { return files_.file(name); }

  /// Trains in a directory, from its newest checkpoint if there is one.
  RunEnd train(const std::string& path, const GptLayout& layout, int64_t every = 1) {
    RunEnd end;
    auto options = options_;
    options.parallel.tp = layout.tp, options.parallel.zero = layout.zero,
    options.parallel.sequence_parallel = layout.sequence_parallel;
    const std::string from = find_newest(path, Verify::kAll).path;
    std::FILE* silent = std::fopen("/dev/null", "w");
    tests::run_ranks(
        layout.ranks,
        [&](const parallel::Grid& grid) {
          const auto model = models::make_model(shape_, grid, layout.sequence_parallel);
          Trainer trainer(*model, options, grid);
          CheckpointOptions checkpoint;
          checkpoint.every = every, checkpoint.keep = 100;
          RunParts parts{grid.rank == 0 ? RunDirectory::claim(path) : RunDirectory::join(path),
                         data::Corpus::open(data_, "train", shape_.sequence),
                         data::Corpus::open(data_, "val", shape_.sequence), data::ObjectiveKind::kCausal, checkpoint};
          parts.config = "[run]\n", parts.resume_from = from, parts.out = silent;
          const auto mine = run(trainer, parts);
          if (grid.rank == 0) end = mine;
        },
        layout.tp);
    std::fclose(silent);
    return end;
  }

  /// A copy of a run as it was when it died somewhere between the saves of `step` and `step` + 1: no later checkpoints,
  /// but later lines of metrics, the last one torn.
  void die_after(const std::string& run, int64_t step, const std::string& copy) {
    std::filesystem::copy(run, copy, std::filesystem::copy_options::recursive);
    for (int64_t s = step + 1; s <= kSteps; ++s) std::filesystem::remove_all(checkpoint_path(copy, s));
    std::ofstream(copy + "/metrics.jsonl", std::ios::app) << "{\"step\":" << step + 1 << ",\"lo";
  }

  /// Times tell the lives apart: up to `step` they are the first one's, or it began anew.
  static void expect_went_on_from(int64_t step, const std::string& run, const std::string& whole) {
    const auto ms = tests::metric(run, "ms"), before = tests::metric(whole, "ms");
    EXPECT_EQ(ms.at(step), before.at(step)) << run << " began anew";
    EXPECT_NE(ms.at(step + 1), before.at(step + 1)) << run;
  }

  void expect_resumes_bit_for_bit(const GptLayout& layout, const std::string& name) {
    const std::string whole = dir(name);
    ASSERT_EQ(train(whole, layout).code, ExitCode::kDone);
    ASSERT_EQ(tests::metric(whole, "loss").size(), static_cast<std::size_t>(kSteps));
    for (const int64_t step : {1, 4, 7, 11}) {
      const std::string broken = dir(name + "-" + std::to_string(step));
      die_after(whole, step, broken);
      const auto end = train(broken, layout);
      EXPECT_EQ(end.step, kSteps);
      expect_went_on_from(step, broken, whole);
      EXPECT_EQ(tests::difference(broken, whole, kSteps), "") << layout.name() << ", from step " << step;
      std::filesystem::remove_all(broken);
    }
  }

  tests::TemporaryDirectory files_;
  std::string data_;
  models::ModelOptions shape_;
  TrainerOptions options_;
};

TEST_F(Resume, OnTheSameLayoutEqualsTheUnbrokenRunBitForBit) {
  expect_resumes_bit_for_bit({1, 1}, "one");
  expect_resumes_bit_for_bit({4, 2}, "grid");
  expect_resumes_bit_for_bit({4, 2, true, true}, "zero");
}

TEST_F(Resume, KeepsTheLossScaleAndWhatItCounts) {
  options_.train.precision = Precision::kFp16;
  options_.loss_scale.initial = 1 << 21, options_.loss_scale.growth_every = 3;
  expect_resumes_bit_for_bit({2, 1}, "fp16");
  const auto scales = tests::metric(dir("fp16"), "loss_scale");
  EXPECT_NE(scales.at(1), scales.at(kSteps)) << "the scale never moved: nothing was shown";
  options_.train.precision = Precision::kBf16;
  expect_resumes_bit_for_bit({2, 2, false, true}, "bf16");
}

TEST_F(Resume, OnAnyOtherLayoutGoesOnAlike) {
  ASSERT_EQ(train(dir("whole"), {4, 2}).code, ExitCode::kDone);
  const auto loss = tests::metric(dir("whole"), "loss"), norm = tests::metric(dir("whole"), "grad_norm"),
             eval = tests::metric(dir("whole"), "eval_loss");
  EXPECT_EQ(eval.size(), 3u);
  for (const GptLayout& layout :
       std::vector<GptLayout>{{1, 1}, {2, 1, true}, {2, 2}, {4, 1, true}, {4, 4, false, true}, {4, 2, true}}) {
    const std::string moved = dir("moved");
    die_after(dir("whole"), 6, moved);
    ASSERT_EQ(train(moved, layout).step, kSteps) << layout.name();
    expect_went_on_from(6, moved, dir("whole"));
    for (const auto& [step, value] : tests::metric(moved, "loss"))
      EXPECT_NEAR(value / loss.at(step), 1, 1e-5) << layout.name() << ", step " << step;
    for (const auto& [step, value] : tests::metric(moved, "grad_norm"))
      EXPECT_NEAR(value / norm.at(step), 1, 1e-5) << layout.name() << ", step " << step;
    for (const auto& [step, value] : tests::metric(moved, "eval_loss"))
      EXPECT_NEAR(value / eval.at(step), 1, 1e-5) << layout.name() << ", step " << step;
    std::filesystem::remove_all(moved);
  }
}

TEST_F(Resume, FromAZeroRunWithoutZeroKeepsItsState) {
  ASSERT_EQ(train(dir("whole"), {2, 1, true}).code, ExitCode::kDone);
  die_after(dir("whole"), 5, dir("moved"));
  ASSERT_EQ(train(dir("moved"), {2, 1, false}).step, kSteps);
  expect_went_on_from(5, dir("moved"), dir("whole"));
  EXPECT_EQ(tests::metric(dir("moved"), "loss"), tests::metric(dir("whole"), "loss"));
  EXPECT_EQ(tests::checkpoint_tensors(checkpoint_path(dir("moved"), kSteps)),
            tests::checkpoint_tensors(checkpoint_path(dir("whole"), kSteps)));
}

TEST_F(Resume, WithVirtualShardsGivesTheSameBitsOnAnotherNumberOfRanks) {
  options_.parallel.virtual_dp = 4;
  ASSERT_EQ(train(dir("whole"), {4, 1}).code, ExitCode::kDone);
  for (const int ranks : {1, 2}) {
    const std::string moved = dir("moved" + std::to_string(ranks));
    die_after(dir("whole"), 5, moved);
    ASSERT_EQ(train(moved, {ranks, 1}).step, kSteps);
    expect_went_on_from(5, moved, dir("whole"));
    EXPECT_EQ(tests::metric_bits(moved), tests::metric_bits(dir("whole"))) << ranks;
    EXPECT_EQ(tests::checkpoint_tensors(checkpoint_path(moved, kSteps)),
              tests::checkpoint_tensors(checkpoint_path(dir("whole"), kSteps)));
  }
}

TEST_F(Resume, OnOtherDataIsRefused) {
  ASSERT_EQ(train(dir("whole"), {2, 1}).code, ExitCode::kDone);
  data_ = tests::make_data(files_, "other", 2);
  try {
    train(dir("whole"), {2, 1});
    FAIL() << "it went on";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kBadData);
    EXPECT_NE(std::string(error.what()).find("was trained on other data"), std::string::npos) << error.what();
  }
}

TEST_F(Resume, OfAFinishedRunDoesNothing) {
  ASSERT_EQ(train(dir("whole"), {1, 1}).code, ExitCode::kDone);
  const auto before = tests::metric_bits(dir("whole"));
  const auto end = train(dir("whole"), {1, 1});
  EXPECT_EQ(end.code, ExitCode::kDone);
  EXPECT_EQ(end.step, kSteps);
  EXPECT_EQ(tests::metric_bits(dir("whole")), before);
}

TEST_F(Resume, SparseCheckpointsChangeNoBit) {
  ASSERT_EQ(train(dir("every"), {2, 1}, 1).code, ExitCode::kDone);
  ASSERT_EQ(train(dir("last"), {2, 1}, 0).code, ExitCode::kDone);
  EXPECT_EQ(tests::difference(dir("last"), dir("every"), kSteps), "");
}

}  // namespace
}  // namespace bessemer::trainer
