#include <fmt/format.h>

#include <iostream>
#include <nlohmann/json.hpp>

#include "configs/check.h"
#include "configs/text.h"
#include "configs/values.h"
#include "data/mixture.h"
#include "data/tokenizer.h"
#include "launch/build.h"
#include "launch/commands.h"
#include "launch/initial_weights.h"
#include "launch/job.h"
#include "launch/run_words.h"
#include "models/presets.h"
#include "parallel/error.h"
#include "trainer/flat_checkpoint.h"
#include "trainer/memory.h"

namespace bessemer::launch {
namespace {

const std::vector<Flag>& flags() {
  static const std::vector<Flag> all{{"ranks", "N", "of the job that is planned; 0: dp x tp", "0"},
                                     {"json", "", "as one JSON object"}};
  return all;
}

std::string help() {
  return "example:\n  bessemer plan configs/gpt2-124m.ini --ranks 8 --parallel.zero\n\n"
         "Layout, batch arithmetic and the memory of each rank, computed without starting anything. What it refuses, train\n"
         "refuses: they walk the same rules.\n\n" +
         flags_help(flags()) + "\nand every option of a run:\n" + configs::options_help();
}

/// A rank among others that are not there: a model can be built for its place, but nothing can be sent.
class PlannedRanks : public parallel::Backend {
 public:
  explicit PlannedRanks(int64_t size) : size_(static_cast<int>(size)) {}
  int rank() const override { return 0; }
  int size() const override { return size_; }
  const char* name() const override { return "planned"; }
  void barrier() override { refuse(); }
  void broadcast(at::Tensor&, int) override { refuse(); }
  void all_reduce(at::Tensor&, parallel::ReduceOp) override { refuse(); }
  void all_gather(const at::Tensor&, at::Tensor&) override { refuse(); }
  void reduce_scatter(const at::Tensor&, at::Tensor&) override { refuse(); }
  parallel::Work start_all_reduce(at::Tensor&) override { refuse(); }
  parallel::Work start_reduce_scatter(const at::Tensor&, at::Tensor&) override { refuse(); }

 private:
  [[noreturn]] static void refuse() { fail(ExitCode::kInternal, "a planned group cannot communicate"); }
  int size_;
};

parallel::Grid planned_grid(const configs::Layout& l, bool gpu) {
  parallel::Grid grid;
  if (gpu) grid.device = at::Device(at::kCUDA, 0);  // named, not touched
  grid.topology = parallel::Topology(static_cast<int>(l.ranks), static_cast<int>(l.tp), static_cast<int>(l.dp));
  if (l.ranks > 1) grid.world = parallel::Group(std::make_shared<PlannedRanks>(l.ranks));
  if (l.tp > 1) grid.tp = parallel::Group(std::make_shared<PlannedRanks>(l.tp));
  if (l.dp > 1) grid.dp = parallel::Group(std::make_shared<PlannedRanks>(l.dp));
  return grid;
}

configs::RunConfig read(RunWords& run) {
  const int64_t least_vocab = complete_model(run.parsed);
  auto problems = run.parsed.problems;
  if (problems.empty()) problems = configs::check(run.parsed.config, run.own.count("ranks"));
  configs::refuse(configs::with_origins(problems, run.parsed.origins));
  configs::RunConfig config = run.parsed.config;
  if (config.model.vocab == 0 && !data::first_source(config.data).empty())
    config.model.vocab = data::tokenizer_of(data_options(config))->vocab_size();
  if (run.parsed.config.model.vocab == 0) config.model.vocab = std::max(config.model.vocab, least_vocab);
  BESSEMER_CHECK(config.model.vocab > 0,
                 "model.vocab is 0, that of the data, and neither data.path nor data.blend is given; give one of them");
  return config;
}

int plan(const Words& words) {
  RunWords run = read_run_words(words, flags());
  refuse_many_processes("plan");  // --ranks says how many
  const configs::RunConfig config = read(run);
  const auto l = configs::layout(config, run.own.count("ranks"));
  const auto device = config.parallel.device;
  const bool gpu = device == parallel::DeviceKind::kCuda || (device == parallel::DeviceKind::kAuto && at::hasCUDA());
  const auto grid = planned_grid(l, gpu);
  const auto model = models::make_model(models::resolve(config.model), grid, config.parallel.sequence_parallel);
  const auto account =
      trainer::account_memory(*model, trainer_options(config), grid.topology, trainer::copy_of(config.checkpoint, gpu));
  const auto cost = model->cost(l.micro_batch, at::kFloat);
  const int64_t checkpoint = trainer::checkpoint_bytes(cost.parameters);
  const int64_t tokens = config.train.global_batch * config.model.sequence;
  if (run.own.flag("json")) {
    nlohmann::ordered_json memory;
    for (const auto& line : account.lines) memory[line.name] = line.bytes;
    std::cout << nlohmann::ordered_json{{"ranks", l.ranks},
                                        {"dp", l.dp},
                                        {"tp", l.tp},
                                        {"global_batch", config.train.global_batch},
                                        {"micro_batch", l.micro_batch},
                                        {"micro_steps", l.micro_steps},
                                        {"tokens_per_step", tokens},
                                        {"parameters", cost.parameters},
                                        {"flops_per_token", cost.flops_per_token},
                                        {"checkpoint_bytes", checkpoint},
                                        {"rank_memory", memory},
                                        {"rank_memory_total", account.total()},
                                        {"rank_host_memory", account.host_bytes}}
                     .dump(2)
              << "\n";
    return 0;
  }
  std::cout << fmt::format("layout       {} ranks = dp {} x tp {}{}\n", l.ranks, l.dp, l.tp,
                           config.parallel.zero ? ", ZeRO-1" : "")
            << fmt::format("batch        {} sequences a step = micro-batch {} x dp {} x {} micro-steps; {} tokens\n",
                           config.train.global_batch, l.micro_batch, l.dp, l.micro_steps, tokens)
            << fmt::format("model        {} parameters, {:.4g} FLOP per token (forward and backward)\n",
                           cost.parameters, cost.flops_per_token)
            << (models::resolve(config.model).recompute == models::Recompute::kFull
                    ? "recompute    each layer runs forward twice; FLOP here and MFU count once\n"
                    : "")
            << fmt::format("run          {} steps, {} tokens, {:.3g} FLOP\n", config.train.steps,
                           config.train.steps * tokens,
                           cost.flops_per_token * static_cast<double>(config.train.steps) * static_cast<double>(tokens))
            << fmt::format("checkpoint   {} each, {} kept\n", configs::bytes_text(static_cast<double>(checkpoint)),
                           config.checkpoint.keep)
            << "memory of a rank, predicted:\n"
            << account.text();
  for (int64_t rank = 0; rank < std::min<int64_t>(l.ranks, 16) && l.ranks > 1; ++rank) {
    const auto at = grid.topology.coordinates(static_cast<int>(rank));
    std::cout << fmt::format("rank {:<4} dp {:<3} tp {}\n", rank, at.dp, at.tp);
  }
  if (l.ranks > 16) std::cout << fmt::format("... to rank {}\n", l.ranks - 1);
  return 0;
}

}  // namespace

std::vector<Command> plan_commands() {
  return {{"plan", "layout and memory of a run, without starting it", help, plan}};
}

}  // namespace bessemer::launch
