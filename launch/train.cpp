#include <fmt/format.h>
#include <unistd.h>

#include <iostream>
#include <optional>

#include "configs/check.h"
#include "configs/parse.h"
#include "configs/text.h"
#include "launch/agree.h"
#include "launch/build.h"
#include "launch/commands.h"
#include "launch/environment.h"
#include "launch/files_beside.h"
#include "launch/initial_weights.h"
#include "launch/job.h"
#include "launch/machine.h"
#include "launch/report.h"
#include "launch/run_words.h"
#include "launch/start.h"
#include "models/presets.h"
#include "trainer/checkpoint_reader.h"
#include "trainer/flat_checkpoint.h"
#include "trainer/host_memory.h"
#include "trainer/memory.h"
#include "trainer/run.h"
#include "trainer/run_state.h"

namespace bessemer::launch {
namespace {

const std::vector<Flag>& flags() {
  static const std::vector<Flag> all{
      {"force", "", "take run.dir from a job that holds it and cannot be ended; that job then stops (69)"}};
  return all;
}

std::string help() {
  return "example:\n  bessemer train configs/tiny.ini --data.path=data/tiny --train.steps=200\n"
         "  mpirun -n 4 bessemer train run.ini --parallel.tp=2\n\n"
         "Trains, and goes on from the newest checkpoint of run.dir if there is one. The command line wins over the environment\n"
         "(BESSEMER_SECTION_NAME), that over the file, that over the preset, that over the defaults. SIGUSR1 or a file named\n"
         "`stop` in run.dir: finish the step (but wait for no data), save, exit 75.\n\n" +
         flags_help(flags()) + configs::options_help();
}

/// \param least_vocab  rows that run.init_from brings
configs::RunConfig read_options(const Words& words, const parallel::World& world, bool& force, int64_t& least_vocab) {
  configs::RunConfig config;
  agree(world.group(), world.host(), [&] {
    RunWords run = read_run_words(words, flags());
    least_vocab = complete_model(run.parsed);
    force = run.own.flag("force");
    auto problems = run.parsed.problems;
    if (problems.empty()) {
      problems = configs::check(run.parsed.config, world.size());
      for (const auto& p : configs::check_data(run.parsed.config)) problems.push_back(p);
    }
    configs::refuse(configs::with_origins(problems, run.parsed.origins));
    config = run.parsed.config;
  });
  agree_on(world.group(), configs::to_text(config), ExitCode::kUsage, "the ranks were started with different options",
           "give all the same file, environment and command line");
  return config;
}

/// Each source: its share, its size, how often the whole run will see it.
std::string sources_text(const configs::RunConfig& config, const data::Mixture& data) {
  const auto& train = config.train;
  const auto rows = static_cast<double>(trainer::batch_of(train).before(train.steps));
  double shares = 0;
  for (const auto& source : data.train) shares += static_cast<double>(source.share);
  std::string text;
  for (const auto& source : data.train) {
    const double share = static_cast<double>(source.share) / shares;
    text += fmt::format("data {}{} | {} training tokens in {} rows | {:.3g} epochs in {} steps\n", source.name,
                        data.train.size() > 1 ? fmt::format(" | {:.4g} %", 100 * share) : "", source.corpus->tokens(),
                        source.corpus->rows(), rows * share / static_cast<double>(source.corpus->rows()), train.steps);
  }
  for (const auto& set : data.validation) {
    if (!set.name.empty()) text += fmt::format("validation {} | {} tokens\n", set.name, set.corpus->tokens());
  }
  return text + fmt::format("vocabulary {} (model {})\n", data.vocab_size(), config.model.vocab);
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
            << sources_text(config, data.mixture) << "memory of a rank, predicted:\n"
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
  std::erase_if(all, [](const std::string& word) { return word == "--force" || word.rfind("--run.resume=", 0) == 0; });
  for (const auto& word : all)
    out += " " + (word.find_first_of(" '\"$\\;&|#") == std::string::npos ? word : "'" + word + "'");
  return out;
}

/// Every ending says how to go on.
void say_end(const trainer::RunEnd& end, bool was_complete, const configs::RunConfig& config, const Words& words,
             int ranks) {
  if (end.saved + end.skipped + end.failed > 1)
    std::cerr << fmt::format("checkpoints: {} saved, {} skipped, {} failed; training waited {:.3f} s for them in all\n",
                             end.saved, end.skipped, end.failed, end.waited);
  if (end.code == ExitCode::kStopped)
    std::cerr << fmt::format("stopped at step {}: {}; checkpoint {}\ngo on with: {}\n", end.step, end.reason,
                             end.checkpoint, again(words, ranks));
  else if (end.code == ExitCode::kCheckpointFailed)
    std::cerr << fmt::format(
        "ended at step {}, but the last checkpoint failed; the newest good one is {}\nmend what the warnings name, then go on with: {}\n",
        end.step, end.checkpoint, again(words, ranks));
  else
    std::cerr << fmt::format("{} at step {}: {}; checkpoint {}\ngo on with: {}, or bessemer {}\n",
                             was_complete ? "complete already" : "done", end.step, end.reason, end.checkpoint,
                             again(words, ranks, 2 * end.step),
                             config.data.objective != data::ObjectiveKind::kMasked
                                 ? fmt::format("generate --model {} --prompt TEXT --tokens 200", config.run.dir)
                                 : fmt::format("eval --model {} --data DIR", config.run.dir));
}

/// What the job runs on and promises, agreed on and said. \return the environment, for checkpoints.
nlohmann::ordered_json say_promise(const Start& start, const trainer::Trainer& trainer, const parallel::World& world,
                                   const Corpora& data, bool deterministic) {
  auto here = environment(trainer.grid().device, deterministic);
  std::string identity;
  for (const auto* sources : {&data.mixture.train, &data.mixture.validation}) {
    for (const auto& source : *sources)
      identity += fmt::format("{} in {} rows, ", source.corpus->content_id(), source.corpus->rows());
  }
  agree_on_environment(world.group(), here, identity);
  nlohmann::json then;
  if (!start.resume_from.empty()) {
    const auto checkpoint = trainer::CheckpointReader::open(start.resume_from);
    trainer::take_threads(trainer.options(), checkpoint);
    then = {{"environment", checkpoint.environment()}, {"layout", checkpoint.state().at("layout")}};
  }
  if (world.rank() == 0)
    std::cerr << promise({{"environment", here}, {"layout", trainer::layout_json(trainer)}}, then) << "\n";
  return here;
}

/// Takes the weights that a new run begins from. \return  what the run's checkpoints keep for an export, on rank 0.
trainer::Texts begin(const Start& start, const configs::RunConfig& config, const Corpora& data,
                     trainer::Trainer& trainer, const parallel::World& world) {
  const bool anew = start.resume_from.empty();
  trainer::Texts texts;
  if (anew && !config.run.init_from.empty()) texts = take_initial_weights(config, data.tokenizer, trainer, world);
  agree(world.group(), world.host(), [&] {
    if (world.rank() != 0) return texts.clear();
    texts = anew ? files_beside(texts, data_options(config), data.tokenizer)
                 : trainer::texts_beside(trainer::CheckpointReader::open(start.resume_from).state());
  });
  return texts;
}

int train(const Words& words, parallel::World& world, trainer::StopRequests& stops) {
  bool force = false;
  int64_t least_vocab = 0;
  configs::RunConfig config = read_options(words, world, force, least_vocab);
  trainer::HostMemory memory;  // before the first tensor
  const int threads = set_threads(config.parallel.threads, world.local_size());
  Corpora data;
  agree(world.group(), world.host(), [&] { data = open_corpora(config, world.local_size(), least_vocab); });
  const parallel::Grid grid = world.make_grid(config.parallel);
  const auto model = models::make_model(models::resolve(config.model), grid, config.parallel.sequence_parallel);
  const auto cost = model->cost(1, at::kFloat);
  Start start = open_run(config, world, force, trainer::checkpoint_bytes(cost.parameters), data.mixture);
  trainer::Trainer trainer(*model, trainer_options(config), grid);
  const auto account = trainer::account_memory(*model, trainer_options(config), grid.topology,
                                               trainer::copy_of(config.checkpoint, !grid.device.is_cpu()));
  say_start(config, world, grid, threads, data, account);
  const auto here = say_promise(start, trainer, world, data, config.parallel.deterministic);
  const trainer::Texts beside = begin(start, config, data, trainer, world);
  agree(world.group(), world.host(), [&] {  // now that nothing can refuse this start
    if (world.rank() == 0) start.directory.write_config(configs::to_text(config));
  });

  trainer::RunParts parts{std::move(start.directory), data.mixture, data.objective,
                          config.checkpoint,          config.log,   config.data.ahead};
  parts.config = configs::to_text(config), parts.tokenizer = data.tokenizer, parts.resume_from = start.resume_from;
  parts.environment = here, parts.beside = beside;
  stops.watch(parts.directory.file("stop"));
  parts.stops = &stops;
  parts.memory = grid.device.is_cpu() ? &memory : nullptr;
  parts.predicted_bytes = account.total();
  parts.style = {isatty(STDERR_FILENO) != 0, colours(), config.log.every};
  trainer::RunEnd end;
  try {
    end = trainer::run(trainer, parts);
  } catch (...) {
    // Here, not in run_job: an error of one rank must end the job before its groups are taken down, which all ranks do
    // together and the others never would.
    return end_rank(world, "train");
  }
  if (world.rank() == 0) say_end(end, end.checkpoint == start.resume_from, config, words, world.size());
  return static_cast<int>(end.code);
}

}  // namespace

std::vector<Command> train_commands() {
  return {{"train", "train a model, or go on with one", help, [](const Words& words) {
             // SIGUSR1 is heard before MPI starts, which may take its time; one that ends a process ends it at once,
             // until there is something to lose.
             trainer::StopRequests stops(launched_processes() == 1, /*early=*/false);
             return run_job("train", words,
                            [&](const Words& w, parallel::World& world) { return train(w, world, stops); });
           }}};
}

}  // namespace bessemer::launch
