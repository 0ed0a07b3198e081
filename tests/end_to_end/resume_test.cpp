// A run that ends anywhere and goes on from its newest checkpoint is the unbroken run. Ranks are threads, files are
// real.
#include "tests/support/resume_fixture.h"

namespace bessemer::trainer {
namespace {

// Dropout on; four micro-steps a step; the warm-up ends at step 3, the epoch within step 11, shards anywhere.
TEST_F(Resume, AtEveryStepEqualsTheUnbrokenRunBitForBit) {
  const auto windows = data::Corpus::open(data_, "train", {shape_.sequence})->rows();
  ASSERT_LT(windows, 20 * options_.train.global_batch) << "no epoch ends in this run";
  ASSERT_NE(windows % options_.train.global_batch, 0) << "none ends within a step";
  expect_resumes_bit_for_bit({1, 1}, "one", 1);
  expect_resumes_bit_for_bit({4, 2}, "grid", 6);
  expect_resumes_bit_for_bit({2, 1, true}, "zero", 6);
  expect_resumes_bit_for_bit({4, 2, true, true}, "all", 7);
}

TEST_F(Resume, KeepsTheLossScaleAndWhatItCounts) {
  make_small();
  options_.train.precision = Precision::kFp16;
  options_.loss_scale.initial = 1 << 21, options_.loss_scale.growth_every = 3;
  expect_resumes_bit_for_bit({1, 1}, "fp16", 6);
  const auto scales = tests::metric(dir("fp16"), "loss_scale");
  EXPECT_NE(scales.at(1), scales.at(kSteps)) << "the scale never moved: nothing was shown";
  options_.train.precision = Precision::kBf16;
  expect_resumes_bit_for_bit({2, 2, false, true}, "bf16", 9);
}

TEST_F(Resume, OfLambEqualsTheUnbrokenRunBitForBit) {
  make_small();
  options_.optimizer.kind = OptimizerKind::kLamb;
  expect_resumes_bit_for_bit({1, 1}, "one", 5);
  expect_resumes_bit_for_bit({4, 2, true}, "zero", 6);
}

TEST_F(Resume, OnAnyOtherLayoutGoesOnAlike) {
  ASSERT_EQ(train(dir("whole"), {4, 2}).code, ExitCode::kDone);
  const auto loss = tests::metric(dir("whole"), "loss"), norm = tests::metric(dir("whole"), "grad_norm"),
             eval = tests::metric(dir("whole"), "eval_loss");
  EXPECT_EQ(eval.size(), 6u);
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

TEST_F(Resume, InAnotherPrecisionGoesOnAlike) {
  make_small();
  using P = Precision;
  for (const auto& [before, after] : std::vector<std::pair<P, P>>{
           {P::kFp32, P::kBf16}, {P::kFp32, P::kFp16}, {P::kFp16, P::kFp32}, {P::kBf16, P::kFp32}}) {
    options_.train.precision = before;
    ASSERT_EQ(train(dir("before"), {2, 1, true}).code, ExitCode::kDone);
    die_after(dir("before"), 10, dir("after"));
    options_.train.precision = after;
    ASSERT_EQ(train(dir("after"), {1, 1}).step, kSteps);
    const auto loss = tests::metric(dir("before"), "loss"), scale = tests::metric(dir("after"), "loss_scale");
    for (const auto& [step, value] : tests::metric(dir("after"), "loss"))
      EXPECT_NEAR(value / loss.at(step), 1, 0.01) << "step " << step;
    EXPECT_EQ(scale.at(11), after == P::kFp16 ? options_.loss_scale.initial : 1.0);
    std::filesystem::remove_all(dir("before"));
    std::filesystem::remove_all(dir("after"));
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

TEST_F(Resume, WithVirtualShardsGivesTheSameBitsOnEveryDpAndAcrossChangesOfIt) {
  options_.parallel.virtual_dp = 8, options_.train.micro_batch = 1;
  ASSERT_EQ(train(dir("whole"), {8, 1}).code, ExitCode::kDone);
  const auto expect_same = [&](const std::string& run, const std::string& what) {
    EXPECT_TRUE(tests::metric_bits(run) == tests::metric_bits(dir("whole"))) << what;
    EXPECT_TRUE(tests::checkpoint_tensors(checkpoint_path(run, kSteps)) ==
                tests::checkpoint_tensors(checkpoint_path(dir("whole"), kSteps)))
        << what;
    std::filesystem::remove_all(run);
  };
  for (const GptLayout& layout : std::vector<GptLayout>{{1, 1}, {2, 1, true}, {4, 1}, {4, 1, true}}) {
    ASSERT_EQ(train(dir("other"), layout).step, kSteps);
    expect_same(dir("other"), layout.name());
  }
  // One run that changes dp and ZeRO at each of its resumes.
  std::string before = dir("whole");
  for (const auto& [step, layout] :
       std::vector<std::pair<int64_t, GptLayout>>{{5, {1, 1}}, {9, {4, 1, true}}, {13, {2, 1}}, {17, {8, 1, true}}}) {
    const std::string moved = dir("moved" + std::to_string(step));
    die_after(before, step, moved);
    ASSERT_EQ(train(moved, layout).step, kSteps);
    expect_went_on_from(step, moved, before);
    before = moved;
  }
  expect_same(before, "8, 1, 4 with ZeRO, 2, 8 with ZeRO");
}

/// Rows of each source in a checkpoint, by their number.
std::vector<int64_t> rows_of(const std::string& checkpoint) {
  std::vector<int64_t> rows;
  const auto state = CheckpointReader::open(checkpoint).state();
  for (const auto& source : state["data"]["sources"]) rows.push_back(source["rows"]);
  return rows;
}

// Three sources over three epochs of them all, dp and ZeRO changing: one stream. Then other shares, and a source less.
TEST_F(Resume, OfABlendGoesOnInEachSourceOnAnyDp) {
  source_.path = "";
  source_.blend = {
      {data_, 5}, {tests::make_data(files_, "second", 2, 200), 3}, {tests::make_data(files_, "third", 3, 100), 2}};
  make_small();
  const int64_t windows = data::Mixture::open(source_, shape_.sequence, false).rows();
  options_.train.global_batch = 3 * windows / (kSteps - 1) / 8 * 8;
  options_.parallel.virtual_dp = 8, options_.train.micro_batch = 0;
  ASSERT_GE(options_.train.global_batch * kSteps, 3 * windows - 8 * kSteps);
  ASSERT_EQ(train(dir("whole"), {8, 1}).code, ExitCode::kDone);
  const int64_t all = options_.train.global_batch * kSteps;
  const auto rows = rows_of(checkpoint_path(dir("whole"), kSteps));
  for (std::size_t i = 0; i < 3; ++i)
    EXPECT_NEAR(static_cast<double>(rows[i]),
                static_cast<double>(all * static_cast<int64_t>(source_.blend[i].share)) / 10, 1);

  std::string before = dir("whole");
  for (const auto& [step, layout] :
       std::vector<std::pair<int64_t, GptLayout>>{{5, {1, 1}}, {9, {4, 1, true}}, {13, {2, 1}}}) {
    const std::string moved = dir("moved" + std::to_string(step));
    die_after(before, step, moved);
    ASSERT_EQ(train(moved, layout).step, kSteps);
    before = moved;
  }
  EXPECT_TRUE(tests::metric_bits(before) == tests::metric_bits(dir("whole")));
  EXPECT_TRUE(tests::checkpoint_tensors(checkpoint_path(before, kSteps)) ==
              tests::checkpoint_tensors(checkpoint_path(dir("whole"), kSteps)));
  EXPECT_EQ(rows_of(checkpoint_path(before, kSteps)), rows);

  die_after(dir("whole"), 10, dir("other"));
  const auto at10 = rows_of(checkpoint_path(dir("whole"), 10));
  source_.blend = {{source_.blend[2].path, 1}, {source_.blend[0].path, 1}};
  ASSERT_EQ(train(dir("other"), {2, 1}).step, kSteps);
  const auto other = rows_of(checkpoint_path(dir("other"), kSteps));
  const int64_t half = options_.train.global_batch * (kSteps - 10) / 2;
  EXPECT_EQ(other, (std::vector<int64_t>{at10[2] + half, at10[0] + half, at10[1]})) << "the third rests";

  die_after(dir("other"), 20, dir("back"));
  const auto at20 = rows_of(checkpoint_path(dir("other"), 20));
  source_.blend = {{source_.blend[1].path, 1}, {files_.file("second"), 1}};
  ASSERT_EQ(train(dir("back"), {2, 1}).step, kSteps);
  const int64_t step = options_.train.global_batch / 2;
  EXPECT_EQ(rows_of(checkpoint_path(dir("back"), kSteps)),
            (std::vector<int64_t>{at20[1] + step, at10[1] + step, at20[0]}));
}

TEST_F(Resume, InTheMiddleOfABatchRampGoesOnBitForBit) {
  make_small();
  options_.train.batch_ramp = {{2, 4}, {4, 7}};
  expect_resumes_bit_for_bit({2, 1}, "ramp", 5);
  const auto tokens = tests::metric(dir("ramp"), "tokens");
  EXPECT_EQ(tokens.at(4), 2 * 4 * shape_.sequence);
  EXPECT_EQ(tokens.at(11), (2 * 4 + 4 * 7) * shape_.sequence);
  EXPECT_EQ(tokens.at(12), (2 * 4 + 4 * 7 + 8) * shape_.sequence);
}

// The tokens of a step are the same as without; the first stages see less of what came before.
TEST_F(Resume, InTheMiddleOfASequenceRampGoesOnBitForBit) {
  make_small();
  source_.document_mask = true;
  ASSERT_EQ(train(dir("plain"), {1, 1}).code, ExitCode::kDone);
  options_.train.sequence_ramp = {{2, 4}, {4, 7}};
  expect_resumes_bit_for_bit({2, 2, false, true}, "ramp", 5);
  EXPECT_EQ(tests::metric(dir("ramp"), "tokens"), tests::metric(dir("plain"), "tokens"));
  EXPECT_NE(tests::metric(dir("ramp"), "loss").at(1), tests::metric(dir("plain"), "loss").at(1));
}

TEST_F(Resume, OnOtherDataIsRefused) {
  ASSERT_EQ(train(dir("whole"), {2, 1}).code, ExitCode::kDone);
  source_.path = tests::make_data(files_, "other", 2);
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
