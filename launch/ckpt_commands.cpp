#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "launch/arguments.h"
#include "launch/commands.h"
#include "parallel/error.h"
#include "trainer/run_directory.h"
#include "trainer/stored_tensors.h"

namespace bessemer::launch {
namespace {

using nlohmann::json;
using trainer::CheckpointReader;

const Flag kJson{"json", "", "print one JSON object"};

std::string only_path(const Arguments& arguments, const char* command, const char* what) {
  BESSEMER_CHECK(arguments.positional().size() == 1, "bessemer ", command, " takes one ", what, ", got ",
                 arguments.positional().size(), "; see bessemer ", command, " --help");
  return arguments.positional().front();
}

json loss_of(const CheckpointReader& checkpoint) {
  const double loss = checkpoint.validation_loss();
  return std::isfinite(loss) ? json(loss) : json();
}

std::string loss_text(const json& loss) { return loss.is_null() ? "-" : fmt::format("{:.4f}", loss.get<double>()); }

std::string list_help() {
  return "example:\n  bessemer ckpt list runs/first\n\n"
         "Shows the checkpoints of a run, the newest last, and those that are not whole.\n\n"
         "usage: bessemer ckpt list RUN [--json]\n" +
         flags_help({kJson});
}

int list(const Words& words) {
  const Arguments arguments(words, {kJson}, {"RUN"});
  const std::string run = only_path(arguments, "ckpt list", "RUN");
  json rows = json::array();
  for (const int64_t step : trainer::checkpoint_steps(run)) {
    const std::string path = run + "/" + trainer::RunDirectory::step_name(step);
    json row = {{"step", step}, {"path", path}};
    try {
      const auto checkpoint = CheckpointReader::open(path);
      row.update({{"good", true}, {"bytes", checkpoint.bytes()}, {"validation_loss", loss_of(checkpoint)}});
    } catch (const Error& error) {
      row.update({{"good", false}, {"problem", error.what()}});
    }
    rows.push_back(row);
  }
  if (arguments.flag("json")) {
    fmt::print("{}\n", json{{"run", run}, {"checkpoints", rows}}.dump());
    return 0;
  }
  BESSEMER_CHECK_DATA(!rows.empty(), run, ": holds no checkpoint (step-...)");
  fmt::print("{:>12} {:>16} {:>10}  path\n", "step", "bytes", "val loss");
  for (const json& row : rows) {
    const auto path = row["path"].get<std::string>();
    if (row["good"]) {
      fmt::print("{:>12} {:>16} {:>10}  {}\n", row["step"].get<int64_t>(), row["bytes"].get<int64_t>(),
                 loss_text(row["validation_loss"]), path);
    } else {
      fmt::print("{:>12} {:>16} {:>10}  {}\n", row["step"].get<int64_t>(), "broken", "-",
                 row["problem"].get<std::string>());
    }
  }
  return 0;
}

std::string info_help() {
  return "example:\n  bessemer ckpt info runs/first/step-0000000500\n\n"
         "Shows what a checkpoint holds: step, state, configuration, tensors. PATH is a checkpoint, or a run's "
         "directory\n"
         "(its newest whole checkpoint).\n\nusage: bessemer ckpt info PATH [--json]\n" +
         flags_help({kJson});
}

std::string shape_text(const std::vector<int64_t>& shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

int info(const Words& words) {
  const Arguments arguments(words, {kJson}, {"PATH"});
  const auto found = trainer::find_checkpoint(only_path(arguments, "ckpt info", "PATH"), trainer::Verify::kMetadata);
  for (const std::string& warning : found.warnings) fmt::print(stderr, "{}\n", warning);
  const auto checkpoint = CheckpointReader::open(found.path);
  if (arguments.flag("json")) {
    json tensors = json::object();
    for (const auto& name : checkpoint.datasets()) tensors[name] = checkpoint.shape(name);
    fmt::print("{}\n", json{{"path", found.path},
                            {"step", found.step},
                            {"bytes", checkpoint.bytes()},
                            {"validation_loss", loss_of(checkpoint)},
                            {"state", checkpoint.state()},
                            {"config", checkpoint.config()},
                            {"tensors", tensors}}
                           .dump());
    return 0;
  }
  fmt::print("path             {}\nstep             {}\nbytes            {}\nvalidation loss  {}\n", found.path,
             found.step, checkpoint.bytes(), loss_text(loss_of(checkpoint)));
  fmt::print("\nstate\n{}\n\nconfiguration\n{}\ntensors (fp32)\n", checkpoint.state().dump(2), checkpoint.config());
  int64_t parameters = 0;
  for (const auto& name : checkpoint.datasets()) {
    const auto& shape = checkpoint.shape(name);
    if (name.starts_with("params/")) parameters += trainer::elements_of(shape);
    fmt::print("  {:<48} {}\n", name, shape_text(shape));
  }
  fmt::print("{} parameters\n", parameters);
  return 0;
}

std::string verify_help() {
  return "example:\n  bessemer ckpt verify runs/first\n\n"
         "Reads every byte of a checkpoint, or of all of a run's, and names each file, tensor and block that is not as "
         "it\n"
         "was written. Exit code 65 if anything is wrong. Needs neither MPI nor a GPU.\n\n"
         "usage: bessemer ckpt verify PATH [--json]\n" +
         flags_help({kJson});
}

int verify(const Words& words) {
  const Arguments arguments(words, {kJson}, {"PATH"});
  const std::string path = only_path(arguments, "ckpt verify", "PATH");
  std::vector<std::string> checkpoints;
  for (const int64_t step : trainer::checkpoint_steps(path)) {
    checkpoints.push_back(path + "/" + trainer::RunDirectory::step_name(step));
  }
  if (checkpoints.empty()) checkpoints.push_back(path);
  json rows = json::array();
  bool good = true;
  for (const std::string& checkpoint : checkpoints) {
    const auto problems = trainer::verify_checkpoint(checkpoint);
    good = good && problems.empty();
    rows.push_back({{"path", checkpoint}, {"good", problems.empty()}, {"problems", problems}});
    if (arguments.flag("json")) continue;
    if (problems.empty()) fmt::print("good    {}\n", checkpoint);
    for (const std::string& problem : problems) fmt::print("broken  {}\n", problem);
  }
  if (arguments.flag("json")) fmt::print("{}\n", json{{"good", good}, {"checkpoints", rows}}.dump());
  return static_cast<int>(good ? ExitCode::kDone : ExitCode::kBadData);
}

}  // namespace

std::vector<Command> ckpt_commands() {
  return {{"ckpt list", "the checkpoints of a run", list_help, list},
          {"ckpt info", "what a checkpoint holds", info_help, info},
          {"ckpt verify", "reads every byte of a checkpoint and names what is wrong", verify_help, verify}};
}

}  // namespace bessemer::launch
