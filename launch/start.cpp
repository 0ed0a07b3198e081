#include "launch/start.h"

#include <fmt/format.h>

#include <iostream>
#include <limits>
#include <optional>

#include "configs/parse.h"
#include "configs/text.h"
#include "launch/agree.h"
#include "launch/report.h"
#include "parallel/error.h"
#include "trainer/checkpoint_reader.h"
#include "trainer/pretrained_writer.h"
#include "trainer/run_state.h"

namespace bessemer::launch {
namespace {

/// Refuses a resume (or a directory) whose options changed in what must not.
void refuse_changes(const std::string& where, const std::string& text, const configs::RunConfig& now) {
  if (text.empty()) return;
  const auto before = configs::parse({"", text, {}, {}});
  BESSEMER_CHECK_DATA(before.problems.empty(), where, ": is not the configuration of a run: ", before.problems.front(),
                      "; if it was damaged, write it anew from `bessemer ckpt info` of a checkpoint, or remove it");
  std::string message;
  for (const auto& d : configs::changed(before.config, now)) {
    message += concat(message.empty() ? "" : "\n", d.option, " was ", d.before.empty() ? "empty" : d.before, " in ",
                      where, " and is now ", d.after.empty() ? "empty" : d.after,
                      "; a run keeps it to its end: set it back, or choose another run.dir");
  }
  BESSEMER_CHECK(message.empty(), message);
}

/// Rank 0's choice: the newest checkpoint before `below` whose texts are whole, and the CRC of its manifest.
std::pair<std::string, int64_t> choose(const configs::RunConfig& config, int64_t below) {
  const auto& resume = config.run.resume;
  if (resume == "none") return {};
  const auto verify = trainer::Verify::kMetadata;
  const auto found =
      resume == "auto" ? trainer::find_newest(config.run.dir, verify, below) : trainer::find_checkpoint(resume, verify);
  const bool passed_over = !found.warnings.empty();
  if (passed_over && config.run.on_corrupt == trainer::OnCorrupt::kStop)
    fail(ExitCode::kBadData, found.warnings.front(), "; run.on_corrupt = stop, so nothing older is taken");
  for (const auto& warning : found.warnings) std::cerr << "warning: " << warning << "\n";
  const bool had_some = passed_over || below < std::numeric_limits<int64_t>::max();
  BESSEMER_CHECK_DATA(
      !found.path.empty() || !had_some, config.run.dir,
      ": none of its checkpoints can be used, for the reasons above; mend them, or begin anew in another "
      "run.dir");
  if (found.path.empty()) return {};
  return {found.path, trainer::CheckpointReader::open(found.path).fingerprint()};
}

/// This rank's share of the verification. Returns what is wrong with the bytes, or "".
/// Errors: Error (69) where this rank does not see the checkpoint that rank 0 has opened: that is no damage.
std::string look_at(const std::string& path, int64_t fingerprint, const parallel::World& world) {
  std::string differs;
  try {
    if (trainer::CheckpointReader::open(path).fingerprint() != fingerprint) differs = "another manifest";
  } catch (const Error& error) {
    differs = error.what();
  }
  BESSEMER_CHECK_ENV(differs.empty(), path, ": is whole for rank 0, but here: ", differs,
                     "; does every host see the same file system?");
  const auto verdict = trainer::verify_checkpoint(path, world.rank(), world.size());
  return verdict.problems.empty() ? "" : verdict.problems.front();
}

/// All ranks together read every byte of the checkpoint that rank 0 has chosen. The same on every rank: the first thing
/// that is wrong, or "".
std::string verify_together(const std::string& path, int64_t fingerprint, const parallel::World& world) {
  std::string mine, first;
  agree(world.group(), world.host(), [&] { mine = look_at(path, fingerprint, world); });
  for (const auto& text : world.group().all_gather(mine)) {
    if (first.empty()) first = text;
  }
  return first;
}

std::string verified_checkpoint(const configs::RunConfig& config, const parallel::World& world) {
  const auto& group = world.group();
  for (int64_t below = std::numeric_limits<int64_t>::max();;) {
    std::pair<std::string, int64_t> chosen;
    agree(group, world.host(), [&] {
      if (world.rank() == 0) chosen = choose(config, below);
    });
    const std::string path = group.broadcast(chosen.first, 0);
    const int64_t fingerprint = group.all_reduce(chosen.second, parallel::ReduceOp::kMax);
    if (path.empty()) return "";
    const std::string problem = verify_together(path, fingerprint, world);
    if (problem.empty()) return path;
    const bool last_word = config.run.resume != "auto" || config.run.on_corrupt == trainer::OnCorrupt::kStop;
    if (last_word) throw AgreedError(ExitCode::kBadData, problem);
    if (world.rank() == 0) std::cerr << "warning: skipping " << path << ": " << problem << "\n";
    below = trainer::step_in(path);
  }
}

}  // namespace

Start open_run(const configs::RunConfig& config, const parallel::World& world, bool force, int64_t checkpoint_bytes,
               const data::Mixture& data) {
  std::optional<trainer::RunDirectory> directory;
  agree(world.group(), world.host(), [&] {
    if (world.rank() != 0) return;
    directory = trainer::RunDirectory::claim(config.run.dir, force);
    if (!directory->taken_over().empty()) std::cerr << "note: " << directory->taken_over() << "\n";
    directory->check_room(checkpoint_bytes);
    if (config.run.resume == "none") return directory->refuse_if_used();
    refuse_changes(directory->file("config.ini"), directory->read_config(), config);
  });
  const std::string from = verified_checkpoint(config, world);
  agree(world.group(), world.host(), [&] {
    if (world.rank() != 0) return;
    if (!from.empty()) {
      const auto own = trainer::checkpoint_steps(config.run.dir);
      if (config.run.resume != "auto" && !own.empty() && own.back() > trainer::step_in(from))
        std::cerr << fmt::format(
            "warning: {} holds step {}, and goes on from step {} as run.resume says; a start without run.resume would take "
            "the later one\n",
            config.run.dir, own.back(), trainer::step_in(from));
      const auto checkpoint = trainer::CheckpointReader::open(from);
      BESSEMER_CHECK(!trainer::origin_in(checkpoint.state()), from,
                     " is an import, weights without the state of a run; begin one with run.init_from=", from,
                     " and a run.dir of its own");
      refuse_changes(from, checkpoint.config(), config);
      trainer::refuse_other_data(checkpoint, data);
    }
  });
  const std::string run_id = world.group().broadcast(directory ? directory->run_id() : "", 0);
  if (!directory) directory = trainer::RunDirectory::join(config.run.dir, run_id);
  return {std::move(*directory), from};
}

std::string initial_checkpoint(const configs::RunConfig& config, const parallel::World& world) {
  std::string path;
  int64_t fingerprint = 0;
  agree(world.group(), world.host(), [&] {
    if (world.rank() != 0) return;
    const auto found = trainer::find_checkpoint(config.run.init_from, trainer::Verify::kMetadata);
    for (const auto& warning : found.warnings) std::cerr << "warning: " << warning << "\n";
    path = found.path;
    fingerprint = trainer::CheckpointReader::open(path).fingerprint();
  });
  path = world.group().broadcast(path, 0);
  fingerprint = world.group().all_reduce(fingerprint, parallel::ReduceOp::kMax);
  const std::string problem = verify_together(path, fingerprint, world);
  if (!problem.empty()) throw AgreedError(ExitCode::kBadData, problem);
  return path;
}

}  // namespace bessemer::launch
