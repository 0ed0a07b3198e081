#pragma once
#include <gtest/gtest.h>

#include <filesystem>

#include "data/corpus.h"
#include "data/tokenizer.h"
#include "tests/support/gpt_run.h"
#include "tests/support/run_files.h"
#include "trainer/run.h"

namespace bessemer::trainer {

using tests::checkpoint_path;
using tests::GptLayout;

inline constexpr int64_t kSteps = 21;

/// A data set and a training of it; every run of it lives in a directory of its own.
class Resume : public testing::Test {
 protected:
  // Few windows, so that an epoch ends in the middle of step 9, and several shards, whose ends lie anywhere.
  Resume() : data_(tests::make_data(files_, "data", 1, 300, 400)) {
    source_.path = data_;
    shape_ = tests::gpt2_like();
    shape_.vocab = data::open_tokenizer(data_)->vocab_size();
    options_ = tests::gpt_training(8);
    options_.train.steps = kSteps, options_.train.micro_batch = 2, options_.train.eval_every = 4,
    options_.train.eval_batches = 2;
    options_.optimizer.warmup = 3;
  }

  /// fp16 products are slow on a CPU: a model of a tenth of the size.
  void make_small() { shape_.hidden = 16, shape_.ffn = 32, shape_.layers = 1, shape_.sequence = 8; }

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
          checkpoint.read_back = false;         // hundreds of saves
          checkpoint.asynchronous = every > 1;  // else it may skip a step
          RunParts parts{grid.rank == 0 ? RunDirectory::claim(path) : RunDirectory::join(path),
                         data::Mixture::open(source_, shape_.sequence, true), data::Objective(), checkpoint};
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

  /// \param stride  of the steps 1 ... 20 at which it is stopped.
  void expect_resumes_bit_for_bit(const GptLayout& layout, const std::string& name, int64_t stride) {
    const std::string whole = dir(name);
    ASSERT_EQ(train(whole, layout).code, ExitCode::kDone);
    ASSERT_EQ(tests::metric(whole, "loss").size(), static_cast<std::size_t>(kSteps));
    for (int64_t step = 1; step < kSteps; step += stride) {
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
  data::DataOptions source_;
  models::ModelOptions shape_;
  TrainerOptions options_;
};

}  // namespace bessemer::trainer
