#include <fmt/format.h>
#include <unistd.h>

#include <iostream>
#include <optional>

#include "configs/check.h"
#include "configs/text.h"
#include "launch/agree.h"
#include "launch/build.h"
#include "launch/commands.h"
#include "launch/job.h"
#include "launch/machine.h"
#include "launch/report.h"
#include "launch/run_words.h"
#include "models/presets.h"
#include "trainer/checkpoint_reader.h"
#include "trainer/flat_checkpoint.h"
#include "trainer/host_memory.h"
#include "trainer/memory.h"
#include "trainer/run.h"
#include "trainer/run_state.h"

namespace bessemer::launch {
namespace {

std::string help() {
  return "example:\n  bessemer train configs/tiny.ini --data.path=data/tiny --train.steps=200\n"
         "  mpirun -n 4 bessemer train run.ini --parallel.tp=2\n\n"
         "Trains, and goes on from the newest checkpoint of run.dir if there is one. The command line wins over the environment\n"
         "(BESSEMER_SECTION_NAME), that over the file, that over the preset, that over the defaults. SIGUSR1 or a file named\n"
         "`stop` in run.dir: finish the step, save, exit 75.\n" +
         configs::options_help();
}

configs::RunConfig read_options(const Words& words, const parallel::World& world) {
  configs::RunConfig config;
  agree(world.group(), world.host(), [&] {
    const RunWords run = read_run_words(words, {});
    auto problems = run.parsed.problems;
    if (problems.empty()) {
      problems = configs::check(run.parsed.config, world.size());
      for (const auto& p : configs::check_data(run.parsed.config)) problems.push_back(p);
    }
    configs::refuse(configs::with_origins(problems, run.parsed.origins));
    config = run.parsed.config;
  });
  agree_on_configuration(world.group(), configs::to_text(config));
  return config;
}

/// Refuses a resume (or a directory) whose options changed in what must not.
void refuse_changes(const std::string& where, const std::string& text, const configs::RunConfig& now) {
  if (text.empty()) return;
  const auto before = configs::parse({"", text, {}, {}});
  std::string message;
  for (const auto& d : configs::changed(before.config, now)) {
    message += concat(message.empty() ? "" : "\n", d.option, " was ", d.before, " in ", where, " and is now ", d.after,
                      "; a run keeps it to its end: set it back, or choose another run.dir");
  }
  BESSEMER_CHECK(message.empty(), message);
}

struct Start {
  std::optional<trainer::RunDirectory> directory;
  std::string resume_from;
};

/// Rank 0 takes the directory and finds the checkpoint; the others are told.
Start open_directory(const configs::RunConfig& config, const parallel::World& world, int64_t checkpoint_bytes,
                     const data::Corpus& corpus) {
  Start start;
  agree(world.group(), world.host(), [&] {
    if (world.rank() != 0) return;
    start.directory = trainer::RunDirectory::claim(config.run.dir);
    start.directory->check_room(checkpoint_bytes);
    if (config.run.resume == "none") return start.directory->refuse_if_used();
    refuse_changes(start.directory->file("config.ini"), start.directory->read_config(), config);
    const auto found = config.run.resume == "auto" ? trainer::find_newest(config.run.dir, trainer::Verify::kAll)
                                                   : trainer::find_checkpoint(config.run.resume, trainer::Verify::kAll);
    for (const auto& warning : found.warnings) std::cerr << "warning: " << warning << "\n";
    if (!found.path.empty()) {
      const auto checkpoint = trainer::CheckpointReader::open(found.path);
      refuse_changes(found.path, checkpoint.config(), config);
      trainer::refuse_other_data(checkpoint, corpus);
    }
    start.resume_from = found.path;
    start.directory->write_config(configs::to_text(config));
  });
  start.resume_from = world.group().broadcast(start.resume_from, 0);
  if (!start.directory) start.directory = trainer::RunDirectory::join(config.run.dir);
  return start;
}

void say_start(const configs::RunConfig& config, const parallel::World& world, const parallel::Grid& grid, int threads,
               const Corpora& data, const trainer::MemoryAccount& account) {
  const std::string places = world.describe(grid);
  if (world.rank() != 0) return;
  const auto l = configs::layout(config, world.size());
  std::cerr << places << (places.empty() || places.back() == '\n' ? "" : "\n")
            << fmt::format("{} thread{} of {} usable cores per rank | {} | {} | build {}{}\n", threads,
                           threads == 1 ? "" : "s", usable_cores(), instruction_set(), blas(), build_type(),
                           build_type() == "Release" ? "" : " (slow)")
            << fmt::format(
                   "dp {} x tp {} | global batch {} = micro-batch {} x dp {} x {} micro-steps | {} tokens a step\n",
                   l.dp, l.tp, config.train.global_batch, l.micro_batch, l.dp, l.micro_steps,
                   config.train.global_batch * config.model.sequence)
            << fmt::format("data {} | {} training tokens in {} windows | vocabulary {}\n", config.data.path,
                           data.train->tokens(), data.train->windows(), config.model.vocab)
            << "memory of a rank, predicted:\n"
            << account.text() << std::flush;
}

/// The command that goes on; to `steps` steps where that is not 0.
std::string again(const Words& words, int ranks, int64_t steps = 0) {
  std::string out = ranks > 1 ? concat("mpirun -n ", ranks, " bessemer train") : "bessemer train";
  Words all = words;
  if (steps > 0) {
    for (auto word = all.begin(); word != all.end();) {
      const bool old = word->rfind("--train.steps", 0) == 0;
      word = old ? all.erase(word, word + (*word == "--train.steps" ? 2 : 1)) : word + 1;
    }
    all.push_back(concat("--train.steps=", steps));
  }
  for (const auto& word : all)
    out += " " + (word.find_first_of(" '\"$\\;&|#") == std::string::npos ? word : "'" + word + "'");
  return out;
}

/// Every ending says how to go on.
void say_end(const trainer::RunEnd& end, bool was_complete, const configs::RunConfig& config, const Words& words,
             int ranks) {
  if (end.code == ExitCode::kStopped)
    std::cerr << fmt::format("stopped at step {}: {}; checkpoint {}\ngo on with: {}\n", end.step, end.reason,
                             end.checkpoint, again(words, ranks));
  else if (end.code == ExitCode::kCheckpointFailed)
    std::cerr << fmt::format(
        "ended at step {}, but the last checkpoint failed; the newest good one is {}\nmake room, then go on with: {}\n",
        end.step, end.checkpoint, again(words, ranks));
  else
    std::cerr << fmt::format(
        "{} at step {}: {}; checkpoint {}\ngo on with: {}, or bessemer generate --model {} --prompt TEXT --tokens 200\n",
        was_complete ? "complete already" : "done", end.step, end.reason, end.checkpoint,
        again(words, ranks, 2 * end.step), config.run.dir);
}

int train(const Words& words, parallel::World& world) {
  configs::RunConfig config = read_options(words, world);
  trainer::StopRequests stops(world.size() == 1);
  trainer::HostMemory memory;  // before the first tensor
  const int threads = set_threads(config.parallel.threads, world.local_size());
  Corpora data;
  agree(world.group(), world.host(), [&] { data = open_corpora(config); });
  const parallel::Grid grid = world.make_grid(config.parallel);
  const auto model = models::make_model(models::resolve(config.model), grid, config.parallel.sequence_parallel);
  const auto cost = model->cost(1, at::kFloat);
  Start start = open_directory(config, world, trainer::checkpoint_bytes(cost.parameters), *data.train);
  trainer::Trainer trainer(*model, trainer_options(config), grid);
  const auto account = trainer::account_memory(*model, trainer.options(), grid.topology);
  say_start(config, world, grid, threads, data, account);

  trainer::RunParts parts{std::move(*start.directory), data.train,        data.validation,
                          config.data.objective,       config.checkpoint, config.log};
  parts.config = configs::to_text(config), parts.tokenizer = data.tokenizer, parts.resume_from = start.resume_from;
  stops.watch(parts.directory.file("stop"));
  parts.stops = &stops;
  parts.memory = grid.device.is_cpu() ? &memory : nullptr;
  parts.predicted_bytes = account.total();
  parts.style = {isatty(STDERR_FILENO) != 0, colours(), config.log.every};
  const auto end = trainer::run(trainer, parts);
  if (world.rank() == 0) say_end(end, end.checkpoint == start.resume_from, config, words, world.size());
  return static_cast<int>(end.code);
}

}  // namespace

std::vector<Command> train_commands() {
  return {{"train", "train a model, or go on with one", help,
           [](const Words& words) { return run_job("train", words, train); }}};
}

}  // namespace bessemer::launch
