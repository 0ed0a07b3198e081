#include <fmt/format.h>

#include <iostream>
#include <nlohmann/json.hpp>

#include "configs/check.h"
#include "configs/parse.h"
#include "configs/text.h"
#include "launch/arguments.h"
#include "launch/commands.h"
#include "launch/initial_weights.h"
#include "launch/run_words.h"
#include "parallel/error.h"

namespace bessemer::launch {
namespace {

const std::vector<Flag>& show_flags() {
  static const std::vector<Flag> flags{{"origin", "", "say behind each value where it came from"},
                                       {"json", "", "as one JSON object"}};
  return flags;
}

const std::vector<Flag>& check_flags() {
  static const std::vector<Flag> flags{{"ranks", "N", "of the job that is to be started; 0: dp x tp", "0"},
                                       {"json", "", "as one JSON object"}};
  return flags;
}

std::string show_help() {
  return "example:\n  bessemer config show configs/tiny.ini --train.steps=200 --origin > mine.ini\n\n"
         "Prints the complete configuration of a run: a file that reloads to the same values. It is printed even where a check\n"
         "would refuse it.\n\n" +
         flags_help(show_flags()) + "\nand every option of a run:\n" + configs::options_help();
}

std::string check_help() {
  return "example:\n  bessemer config check configs/tiny.ini --parallel.tp=2 --ranks 4\n\n"
         "Says everything that is wrong with a run's options (exit 64), or that nothing is.\n\n" +
         flags_help(check_flags()) + "\nand every option of a run:\n" + configs::options_help();
}

int show(const Words& words) {
  RunWords run = read_run_words(words, show_flags());
  complete_model(run.parsed);
  configs::refuse(run.parsed.problems);
  configs::RunConfig config = run.parsed.config;
  if (run.own.flag("json")) {
    nlohmann::ordered_json out;
    for (const auto& o : visit(config)) out[o.name] = {{"value", o.text()}, {"origin", run.parsed.origins.at(o.name)}};
    std::cout << out.dump(2) << "\n";
    return 0;
  }
  const bool origin = run.own.flag("origin");
  std::cout << configs::to_text(
      config, [&](const configs::Option& o) { return origin ? run.parsed.origins.at(o.name) : std::string(); });
  return 0;
}

int check(const Words& words) {
  RunWords run = read_run_words(words, check_flags());
  complete_model(run.parsed);
  auto problems = run.parsed.problems;
  if (problems.empty()) problems = configs::check(run.parsed.config, run.own.count("ranks"));
  problems = configs::with_origins(std::move(problems), run.parsed.origins);
  if (run.own.flag("json")) {
    std::cout << nlohmann::ordered_json{{"good", problems.empty()}, {"problems", problems}}.dump(2) << "\n";
    return static_cast<int>(problems.empty() ? ExitCode::kDone : ExitCode::kUsage);
  }
  configs::refuse(problems);
  const auto l = configs::layout(run.parsed.config, run.own.count("ranks"));
  std::cout << fmt::format(
      "good: {} ranks = dp {} x tp {}, global batch {} = micro-batch {} x dp {} x {} micro-steps\n", l.ranks, l.dp,
      l.tp, run.parsed.config.train.global_batch, l.micro_batch, l.dp, l.micro_steps);
  return 0;
}

}  // namespace

std::vector<Command> config_commands() {
  return {{"config show", "the complete configuration of a run, as a file", show_help, show},
          {"config check", "what is wrong with a run's options", check_help, check}};
}

}  // namespace bessemer::launch
