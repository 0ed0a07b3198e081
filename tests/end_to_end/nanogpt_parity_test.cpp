// Our model and our trainer's step, fed with nanoGPT's weights and batches, give nanoGPT's losses iteration by
// iteration.
#include <cstdlib>
#include <fstream>
#include <iomanip>
#include <memory>
#include <vector>

#include "models/presets.h"
#include "parallel/grid.h"
#include "tests/support/nanogpt.h"
#include "tests/support/paths.h"
#include "trainer/trainer.h"

namespace bessemer {
namespace {

using test::GoldenLosses;
using test::NanoGpt;

trainer::TrainerOptions nanogpt_options() {
  trainer::TrainerOptions options;
  options.train.steps = 2000;
  options.train.global_batch = options.train.micro_batch = NanoGpt::kBatch;
  options.optimizer.beta2 = 0.99;
  options.optimizer.warmup = 100;
  options.parallel.dp = 1;
  return options;
}

double mean_loss(trainer::Trainer& trainer, NanoGpt& nanogpt, bool validation) {
  return trainer.evaluate([&] { return nanogpt.batch(validation); }, NanoGpt::kEvalBatches).loss;
}

/// Trains 301 iterations in train.py's order of draws, checks each loss, and appends them to `table`.
void follow_nanogpt(const std::string& name, const std::string& text, std::ostream& table) {
  SCOPED_TRACE(name);
  const GoldenLosses golden(tests::kSourceDir + "/tests/oracles/nanogpt_" + name + "_losses.tsv");
  ASSERT_EQ(golden.loss.size(), 301u);
  NanoGpt nanogpt(text);
  const auto model =
      models::make_model(models::resolve(nanogpt.options()), parallel::Grid{}, /*sequence_parallel=*/false);
  trainer::Trainer trainer(*model, nanogpt_options(), parallel::Grid{});
  nanogpt.give_weights(*model);

  data::Batch next = nanogpt.batch();
  for (int64_t iteration = 0; iteration <= 300; ++iteration) {
    if (const auto found = golden.evaluation.find(iteration); found != golden.evaluation.end()) {
      EXPECT_NEAR(mean_loss(trainer, nanogpt, false), found->second.first, 3e-3)
          << "training split, iteration " << iteration;
      EXPECT_NEAR(mean_loss(trainer, nanogpt, true), found->second.second, 3e-3)
          << "validation split, iteration " << iteration;
    }
    const double loss = trainer.step([&] { return next; }).loss;
    next = nanogpt.batch();
    const double wanted = golden.loss[static_cast<std::size_t>(iteration)];
    table << iteration << '\t' << loss << '\t' << wanted << '\t' << name << '\n';
    EXPECT_NEAR(loss, wanted, iteration <= 100 ? 1e-3 : 5e-3) << "iteration " << iteration;
  }
}

// tinyshakespeare is not ours to ship: BESSEMER_TINYSHAKESPEARE names the file where there is one. The c10 headers come
// with every LibTorch.
TEST(NanoGptParity, EveryLossIsNanoGptsOnCppHeadersAndOnTinyShakespeare) {
  std::ofstream table("nanogpt_parity.tsv");
  table << std::setprecision(9) << "# iteration\tloss\tloss of nanoGPT\ttext\n";
  if (const char* path = std::getenv("BESSEMER_TINYSHAKESPEARE")) {
    const std::string text = test::read_file(path);
    ASSERT_EQ(text.size(), 1115394u) << path << " is not tinyshakespeare (1,115,394 bytes)";
    follow_nanogpt("tinyshakespeare", text, table);
  }
  follow_nanogpt("c10", test::concatenate(tests::kLibTorch + "/include/c10"), table);
}

}  // namespace
}  // namespace bessemer
