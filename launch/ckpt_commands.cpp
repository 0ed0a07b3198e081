#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>

#include "configs/values.h"
#include "launch/arguments.h"
#include "launch/commands.h"
#include "launch/job.h"
#include "parallel/error.h"
#include "trainer/inspect.h"
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
  BESSEMER_CHECK_DATA(trainer::exists(run), run, ": there is no such directory");
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
  BESSEMER_CHECK_DATA(!rows.empty() || !trainer::exists(run + "/" + trainer::kManifestName), run,
                      ": is itself a checkpoint; see it with bessemer ckpt info ", run);
  BESSEMER_CHECK_DATA(!rows.empty(), run, ": holds no checkpoint (step-...)");
  if (arguments.flag("json")) {
    fmt::print("{}\n", json{{"run", run}, {"checkpoints", rows}}.dump(-1, ' ', false, json::error_handler_t::replace));
    return 0;
  }
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
                            {"run_id", checkpoint.run_id()},
                            {"environment", checkpoint.environment()},
                            {"read_back", checkpoint.read_back()},
                            {"bytes", checkpoint.bytes()},
                            {"validation_loss", loss_of(checkpoint)},
                            {"state", checkpoint.state()},
                            {"config", checkpoint.config()},
                            {"tensors", tensors}}
                           .dump(-1, ' ', false, json::error_handler_t::replace));
    return 0;
  }
  fmt::print(
      "path             {}\nstep             {}\nrun              {}\nbytes            {}{}\nvalidation loss  {}\n",
      found.path, found.step, checkpoint.run_id().empty() ? "-" : checkpoint.run_id(), checkpoint.bytes(),
      checkpoint.read_back() ? ", read back when saved" : "", loss_text(loss_of(checkpoint)));
  fmt::print("\nstate\n{}\n\nsaved on\n{}\n\nconfiguration\n{}\ntensors (fp32)\n", checkpoint.state().dump(2),
             checkpoint.environment().dump(2), checkpoint.config());
  int64_t parameters = 0;
  for (const auto& name : checkpoint.datasets()) {
    const auto& shape = checkpoint.shape(name);
    if (name.starts_with("params/")) parameters += trainer::elements_of(shape);
    fmt::print("  {:<48} {}\n", name, shape_text(shape));
  }
  fmt::print("{} parameters\n", parameters);
  return 0;
}

const Flag kDeep{"deep", "",
                 "also let HDF5 open each shard, compare what it sees, and look for numbers that are not finite"};

std::string verify_help() {
  return "example:\n  bessemer ckpt verify runs/first\n\n"
         "Reads every byte of a checkpoint, or of all of a run's, and names each file, tensor and block that is missing, not "
         "as it\nwas written, or of another checkpoint. Files that belong to no part of it are warned of. Exit code 65 if "
         "anything is\nwrong. Needs neither MPI nor a GPU.\n\n"
         "usage: bessemer ckpt verify PATH [--deep] [--json]\n" +
         flags_help({kDeep, kJson});
}

int verify(const Words& words) {
  const Arguments arguments(words, {kDeep, kJson}, {"PATH"});
  const std::string path = only_path(arguments, "ckpt verify", "PATH");
  std::vector<std::string> checkpoints;
  for (const int64_t step : trainer::checkpoint_steps(path)) {
    checkpoints.push_back(path + "/" + trainer::RunDirectory::step_name(step));
  }
  if (checkpoints.empty()) checkpoints.push_back(path);
  json rows = json::array();
  bool good = true;
  for (const std::string& checkpoint : checkpoints) {
    auto verdict = trainer::verify_checkpoint(checkpoint);
    if (verdict.problems.empty() && arguments.flag("deep")) verdict.problems = trainer::inspect_checkpoint(checkpoint);
    good = good && verdict.problems.empty();
    rows.push_back({{"path", checkpoint},
                    {"good", verdict.problems.empty()},
                    {"problems", verdict.problems},
                    {"warnings", verdict.warnings}});
    if (arguments.flag("json")) continue;
    if (verdict.problems.empty()) fmt::print("good    {}\n", checkpoint);
    for (const std::string& problem : verdict.problems) fmt::print("broken  {}\n", problem);
    for (const std::string& warning : verdict.warnings) fmt::print("warning {}\n", warning);
  }
  if (arguments.flag("json"))
    fmt::print("{}\n",
               json{{"good", good}, {"checkpoints", rows}}.dump(-1, ' ', false, json::error_handler_t::replace));
  return static_cast<int>(good ? ExitCode::kDone : ExitCode::kBadData);
}

const std::vector<Flag>& prune_flags() {
  static const std::vector<Flag> all{{"keep", "N", "the newest that stay, at least 1", "3"},
                                     {"keep-every", "N", "checkpoints of steps that N divides stay; 0: none", "0"},
                                     {"dry-run", "", "only say what would be removed"},
                                     kJson};
  return all;
}

std::string prune_help() {
  return "example:\n  bessemer ckpt prune runs/first --keep 1 --dry-run\n\n"
         "Removes checkpoints of a run as training does: the newest, those named, and the one with the least validation "
         "loss\nstay; what is not whole is left alone; nothing goes unless one that stays is verified. A run that a job "
         "holds is\nrefused (69).\n\n"
         "usage: bessemer ckpt prune RUN [--keep N] [--keep-every N] [--dry-run] [--json]\n" +
         flags_help(prune_flags());
}

int prune(const Words& words) {
  const Arguments arguments(words, prune_flags(), {"RUN"});
  const std::string path = only_path(arguments, "ckpt prune", "RUN");
  BESSEMER_CHECK_DATA(!trainer::checkpoint_steps(path).empty(), path, ": holds no checkpoint (step-...)");
  refuse_many_processes("ckpt prune");
  const trainer::Retention retention{arguments.count("keep"), arguments.count("keep-every")};
  BESSEMER_CHECK(retention.keep >= 1, "--keep is 0; at least 1 stays");
  const bool dry = arguments.flag("dry-run");
  std::optional<trainer::RunDirectory> held;
  if (!dry) held = trainer::RunDirectory::claim(path, false, /*to_train=*/false);
  const auto removal = trainer::apply_retention(path, retention, dry);
  if (arguments.flag("json")) {
    fmt::print("{}\n", json{{"run", path},
                            {"dry_run", dry},
                            {"removed", removal.removed},
                            {"kept", removal.kept},
                            {"bytes", removal.bytes},
                            {"warnings", removal.warnings}}
                           .dump(-1, ' ', false, json::error_handler_t::replace));
  } else {
    for (const auto& name : removal.kept) fmt::print("kept     {}/{}\n", path, name);
    for (const auto& name : removal.removed) fmt::print("{}  {}/{}\n", dry ? "would go" : "removed", path, name);
    for (const auto& warning : removal.warnings) fmt::print("warning  {}\n", warning);
    fmt::print("{} {} checkpoints, {}\n", dry ? "would remove" : "removed", removal.removed.size(),
               configs::bytes_text(static_cast<double>(removal.bytes)));
  }
  return static_cast<int>(removal.warnings.empty() ? ExitCode::kDone : ExitCode::kEnvironment);
}

}  // namespace

std::vector<Command> ckpt_commands() {
  return {{"ckpt list", "the checkpoints of a run", list_help, list},
          {"ckpt info", "what a checkpoint holds", info_help, info},
          {"ckpt verify", "reads every byte of a checkpoint and names what is wrong", verify_help, verify},
          ckpt_diff_command(),
          {"ckpt prune", "removes checkpoints that need not stay", prune_help, prune}};
}

}  // namespace bessemer::launch
