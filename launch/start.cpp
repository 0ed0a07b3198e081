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
#include "trainer/run_state.h"

namespace bessemer::launch {
namespace {

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
  BESSEMER_CHECK_DATA(!found.path.empty() || !had_some, config.run.dir,
                      ": none of its checkpoints is whole; remove the step-... directories to begin anew, or choose "
                      "another run.dir");
  if (found.path.empty()) return {};
  return {found.path, trainer::CheckpointReader::open(found.path).fingerprint()};
}

/// This rank's share of the verification. Returns what is wrong, or "".
std::string look_at(const std::string& path, int64_t fingerprint, const parallel::World& world) {
  try {
    const auto reader = trainer::CheckpointReader::open(path);
    if (reader.fingerprint() != fingerprint)
      return concat(path, ": rank ", world.rank(), " on ", world.host(), " sees another manifest than rank 0; ",
                    "does every host see the same file system?");
    const auto verdict = trainer::verify_checkpoint(path, world.rank(), world.size());
    return verdict.problems.empty() ? "" : verdict.problems.front();
  } catch (const Error& error) {
    return error.what();
  }
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
    std::string problem;
    for (const auto& text : group.all_gather(look_at(path, fingerprint, world))) {
      if (problem.empty()) problem = text;
    }
    if (problem.empty()) return path;
    const bool last_word = config.run.resume != "auto" || config.run.on_corrupt == trainer::OnCorrupt::kStop;
    if (last_word) throw AgreedError(ExitCode::kBadData, problem);
    if (world.rank() == 0) std::cerr << "warning: skipping " << path << ": " << problem << "\n";
    below = trainer::step_in(path);
  }
}

}  // namespace

Start open_run(const configs::RunConfig& config, const parallel::World& world, bool force, int64_t checkpoint_bytes,
               const data::Corpus& corpus) {
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
      const auto checkpoint = trainer::CheckpointReader::open(from);
      refuse_changes(from, checkpoint.config(), config);
      trainer::refuse_other_data(checkpoint, corpus);
    }
    directory->write_config(configs::to_text(config));
  });
  const std::string run_id = world.group().broadcast(directory ? directory->run_id() : "", 0);
  if (!directory) directory = trainer::RunDirectory::join(config.run.dir, run_id);
  return {std::move(*directory), from};
}

}  // namespace bessemer::launch
