// Models of Hugging Face's, trained on: AdamW steps of ours beside PyTorch's (tests/oracles/hf_training.py).
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <fstream>
#include <sstream>

#include "launch/model_files.h"
#include "models/presets.h"
#include "tests/support/paths.h"
#include "tests/support/thread_world.h"
#include "trainer/flat_checkpoint.h"
#include "trainer/trainer.h"

namespace bessemer::launch {
namespace {

constexpr int64_t kVocab = 37, kSequence = 11, kRows = 4;

/// Row k of hf_training.py, and which positions BERT has to fill in.
int64_t id(int64_t k, int64_t i) { return 1 + (7 * k + i * (k % 5 + 2) + i * i % 3) % (kVocab - 2); }
bool masked(int64_t k, int64_t i) { return (k + i) % 4 == 0; }

data::Batch batch_of(const models::ModelOptions& o, int64_t first, int64_t rows) {
  const bool bert = o.family == models::Family::kBert;
  const auto tokens = at::empty({rows, kSequence}, at::kLong), targets = at::empty_like(tokens);
  const auto predicted = at::zeros({rows, kSequence}, at::kBool);
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t i = 0; i < kSequence; ++i) {
      const int64_t k = first + r;
      predicted[r][i] = masked(k, i);
      tokens[r][i] = bert && masked(k, i) ? kVocab - 1 : id(k, i);
      targets[r][i] = bert ? id(k, i) : id(k, i + 1);
    }
  }
  data::Batch batch;
  batch.first_row = first;
  batch.tensors = {{"tokens", tokens}, {"targets", targets}};
  if (bert) batch.tensors["predicted"] = at::nonzero(predicted.t().reshape({-1})).view({-1});
  return batch;
}

struct Step {
  double loss = 0, norm = 0;
};

std::vector<Step> pytorchs(const std::string& directory) {
  std::ifstream file(directory + "/training.tsv");
  std::vector<Step> steps;
  std::string line;
  std::getline(file, line);  // names
  while (std::getline(file, line)) {
    std::istringstream in(line);
    int64_t number = 0;
    Step step;
    in >> number >> step.loss >> step.norm;
    steps.push_back(step);
  }
  return steps;
}

trainer::TrainerOptions as_in_the_script(const parallel::Grid& grid) {
  trainer::TrainerOptions options;
  options.train.global_batch = kRows;
  options.optimizer.lr = 2e-3, options.optimizer.beta1 = 0.9, options.optimizer.beta2 = 0.95;
  options.optimizer.eps = 1e-8, options.optimizer.weight_decay = 0.1, options.optimizer.clip = 0.5;
  options.optimizer.schedule = trainer::ScheduleKind::kConstant;
  options.parallel.zero = grid.dp.size() > 1;
  return options;
}

std::vector<Step> ours(const std::string& directory, const parallel::Grid& grid, std::size_t steps) {
  const auto files = open_model(directory);
  const auto model = models::make_model(models::resolve(files.config.model), grid, false);
  trainer::Trainer trainer(*model, as_in_the_script(grid), grid);
  EXPECT_TRUE(trainer::load_initial_weights(trainer.flat(), *files.weights).fresh.empty());
  trainer.flat().publish_weights(grid.dp);
  std::vector<Step> out;
  const int64_t share = kRows / grid.dp.size();
  for (std::size_t t = 0; t < steps; ++t) {
    const auto first = static_cast<int64_t>(t) * kRows + grid.dp.rank() * share;
    const auto result = trainer.step([&] { return batch_of(model->options(), first, share); });
    out.push_back({result.loss, result.grad_norm});
  }
  return out;
}

class PretrainedTraining : public testing::TestWithParam<const char*> {};

TEST_P(PretrainedTraining, HasPyTorchsLossesAndNormsOverTwentySteps) {
  const std::string directory = tests::kSourceDir + "/tests/oracles/hf/" + GetParam();
  const auto want = pytorchs(directory);
  ASSERT_EQ(want.size(), 20u);
  EXPECT_NE(want.back().loss, want.front().loss);
  for (const auto& [ranks, tp] : std::vector<std::pair<int, int>>{{1, 1}, {4, 2}}) {
    double loss = 0, norm = 0;
    tests::run_ranks(
        ranks,
        [&](const parallel::Grid& grid) {
          const auto got = ours(directory, grid, want.size());
          if (grid.rank != 0) return;
          for (std::size_t t = 0; t < want.size(); ++t) {
            loss = std::max(loss, std::abs(got[t].loss / want[t].loss - 1));
            norm = std::max(norm, std::abs(got[t].norm / want[t].norm - 1));
          }
        },
        tp);
    std::printf("%-8s dp %d x tp %d: loss %.1e, norm %.1e of PyTorch's\n", GetParam(), ranks / tp, tp, loss, norm);
    EXPECT_LT(loss, 1e-5);
    EXPECT_LT(norm, 1e-5);
  }
}

INSTANTIATE_TEST_SUITE_P(Oracle, PretrainedTraining,
                         testing::Values("gpt2", "llama", "llama-3", "mistral", "qwen2", "bert"));

}  // namespace
}  // namespace bessemer::launch
