#include "trainer/run_directory.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>

#include "data/safetensors.h"
#include "parallel/error.h"

namespace bessemer::trainer {
namespace {

constexpr const char* kRun = "run.json";
constexpr std::string_view kStep = "step-";
constexpr std::string_view kTemporary = ".tmp-";
constexpr std::string_view kTrash = ".trash-";

// A temporary of write_text_atomically: NAME.tmp- and 16 digits.
bool is_temporary_text(const std::string& name) {
  const auto at = name.rfind(kTemporary);
  return at != std::string::npos && name.size() - at == kTemporary.size() + 16;
}

void remove_leftovers(const std::string& path) {
  for (const std::string& name : list_directory(path)) {
    const bool save = name.starts_with(std::string(kTemporary) + std::string(kStep));
    const bool trash = name.starts_with(std::string(kTrash) + std::string(kStep));
    // A death between the two renames of an exchange (exchange_paths, where the file system has none).
    const std::string step = name.substr(std::min(name.size(), kTemporary.size()), kStep.size() + 10);
    if (save && name.ends_with(kAside) && !exists(path + "/" + step)) {
      rename_path(path + "/" + name, path + "/" + step);
      continue;
    }
    if (save || trash || is_temporary_text(name)) remove_tree(path + "/" + name);
  }
}

// Made once; a run that an older version began gets its id now.
std::string id_of(const std::string& path) {
  const std::string file = path + "/" + kRun;
  if (exists(file)) {
    const auto j = nlohmann::json::parse(read_text(file, 1 << 16), nullptr, false);
    const bool good = j.is_object() && j.contains("run_id") && j["run_id"].is_string();
    BESSEMER_CHECK_DATA(good, file, ": has no run_id; remove the file, and the run gets a new one");
    return j["run_id"];
  }
  const std::string id = random_hex();
  write_text_atomically(file, nlohmann::json{{"run_id", id}}.dump() + "\n");
  return id;
}

void probe(const std::string& path) {
  const std::string file = path + "/probe";
  write_text_atomically(file, "can this directory be written?\n");
  unlink(file.c_str());
}

std::optional<int64_t> step_of(const std::string& name) {
  if (!name.starts_with(kStep) || name.size() < kStep.size() + 10 || name.size() > kStep.size() + 18) return {};
  const std::string digits = name.substr(kStep.size());
  if (digits.find_first_not_of("0123456789") != std::string::npos) return {};
  return std::stoll(digits);
}

struct Whole {
  int64_t step = 0;
  double loss = 0;
  int64_t bytes = 0;
  bool read_back = false;
};

// Newest first. Those that are not whole are neither counted nor removed.
std::vector<Whole> whole_checkpoints(const std::string& run_path) {
  std::vector<Whole> good;
  const auto steps = checkpoint_steps(run_path);
  for (auto step = steps.rbegin(); step != steps.rend(); ++step) {
    try {
      const auto checkpoint = CheckpointReader::open(run_path + "/" + RunDirectory::step_name(*step));
      good.push_back({*step, checkpoint.validation_loss(), checkpoint.bytes(), checkpoint.read_back()});
    } catch (const Error&) {
    }
  }
  return good;
}

std::vector<bool> who_stays(const std::vector<Whole>& good, const Retention& retention) {
  std::vector<bool> stays(good.size());
  double least = INFINITY;
  std::size_t best = good.size();
  int64_t newer = 0;
  for (std::size_t i = 0; i < good.size(); ++i) {
    const int64_t step = good[i].step;
    const bool beyond = retention.saved >= 0 && step > retention.saved;
    const bool new_enough = !beyond && newer++ < std::max<int64_t>(1, retention.keep);
    const bool for_good = retention.keep_every > 0 && step % retention.keep_every == 0;
    stays[i] = beyond || new_enough || for_good || step == retention.saved;
    if (good[i].loss < least) least = good[i].loss, best = i;
  }
  if (best < good.size()) stays[best] = true;
  return stays;
}

}  // namespace

std::string RunDirectory::step_name(int64_t step) { return fmt::format("step-{:010}", step); }

RunDirectory RunDirectory::claim(const std::string& path, bool force, bool to_train) {
  try {
    RunDirectory run;
    run.path_ = path;
    for (const char* other : {"manifest.json", "dataset.json"}) {
      BESSEMER_CHECK(!exists(path + "/" + other), path, " is a ", other[0] == 'm' ? "checkpoint" : "data set",
                     "; choose a directory of its own for the run");
    }
    make_directories(path);
    run.lease_ = Lease::take(path, force, run.taken_over_);
    // The temporaries of a job that --force displaced may still be written to: the next start removes them.
    if (!force || run.taken_over_.empty()) remove_leftovers(path);
    if (!to_train) return run;
    probe(path);
    run.run_id_ = id_of(path);
    run.lease_->name_run(run.run_id_);
    return run;
  } catch (const Error& error) {
    fail(error.code(), "the run directory cannot be used: ", error.what());
  }
}

RunDirectory RunDirectory::join(const std::string& path, const std::string& run_id) {
  RunDirectory run;
  run.path_ = path, run.run_id_ = run_id;
  return run;
}

void RunDirectory::check_held() const {
  BESSEMER_CHECK_ENV(
      !lease_ || !lease_->lost(), path_,
      ": another job has taken this run (--force), or the directory or its lease was moved or removed; this one ends and "
      "writes nothing more");
}

void RunDirectory::check_room(int64_t checkpoint_bytes) const {
  const int64_t room = free_bytes(path_);
  BESSEMER_CHECK_ENV(room / 2 >= checkpoint_bytes, path_, ": has room for ", room, " bytes; two checkpoints of ",
                     checkpoint_bytes, " bytes need twice that; free some, or choose another run.dir");
}

bool RunDirectory::holds_run() const {
  return exists(file("config.ini")) || exists(file("metrics.jsonl")) || !checkpoint_steps(path_).empty();
}

void RunDirectory::refuse_if_used() const {
  BESSEMER_CHECK(!holds_run(), path_, " holds a run already, and run.resume is none; choose another run.dir, ",
                 "say --run.resume=auto to go on with it, or remove it");
}

void RunDirectory::write_config(const std::string& text) const { write_text_atomically(file("config.ini"), text); }

std::string RunDirectory::read_config() const {
  return exists(file("config.ini")) ? read_text(file("config.ini")) : "";
}

std::vector<int64_t> checkpoint_steps(const std::string& run_path) {
  std::vector<int64_t> steps;
  if (!exists(run_path)) return steps;
  for (const std::string& name : list_directory(run_path)) {
    if (const auto step = step_of(name)) steps.push_back(*step);
  }
  std::sort(steps.begin(), steps.end());
  return steps;
}

int64_t step_in(const std::string& path) { return step_of(path.substr(path.rfind('/') + 1)).value_or(-1); }

FoundCheckpoint find_newest(const std::string& run_path, Verify verify, int64_t below) {
  FoundCheckpoint found;
  const auto steps = checkpoint_steps(run_path);
  for (auto step = steps.rbegin(); step != steps.rend(); ++step) {
    if (*step >= below) continue;
    const std::string path = run_path + "/" + RunDirectory::step_name(*step);
    try {
      const auto checkpoint = CheckpointReader::open(path, verify);
      BESSEMER_CHECK_DATA(checkpoint.step() == *step, path, ": holds step ", checkpoint.step());
      found.path = path;
      found.step = *step;
      return found;
    } catch (const Error& error) {
      found.warnings.push_back(concat("skipping ", path, ": ", error.what()));
    }
  }
  return found;
}

FoundCheckpoint find_checkpoint(const std::string& path, Verify verify, int64_t below) {
  data::refuse_pickle(path);
  BESSEMER_CHECK_DATA(file_size(path) < 0, path,
                      ": is a file; a run's directory, or a step-... directory, is expected");
  BESSEMER_CHECK_DATA(exists(path), path, ": there is no such directory");
  const bool run = !checkpoint_steps(path).empty();
  if (!run) return {path, CheckpointReader::open(path, verify).step(), {}};
  FoundCheckpoint found = find_newest(path, verify, below);
  BESSEMER_CHECK_DATA(!found.path.empty(), path, ": none of its checkpoints is whole",
                      found.warnings.empty() ? "" : "; " + found.warnings.front());
  return found;
}

Removal apply_retention(const std::string& run_path, const Retention& retention, bool dry_run) {
  const auto good = whole_checkpoints(run_path);
  const auto stays = who_stays(good, retention);
  Removal removal;
  bool verified = false;
  for (std::size_t i = 0; i < good.size(); ++i) {
    (stays[i] ? removal.kept : removal.removed).push_back(RunDirectory::step_name(good[i].step));
    if (!stays[i]) removal.bytes += good[i].bytes;
    verified = verified || (good[i].step == retention.saved && good[i].read_back);
  }
  if (removal.removed.empty()) return removal;
  for (std::size_t i = 0; i < good.size() && !verified; ++i) {
    verified = stays[i] && verify_checkpoint(run_path + "/" + RunDirectory::step_name(good[i].step)).problems.empty();
  }
  if (!verified) {
    removal.warnings.push_back(concat(run_path, ": no checkpoint that would stay can be verified, so none is removed"));
    removal.removed.clear(), removal.bytes = 0;
  }
  if (dry_run) return removal;
  for (const std::string& name : removal.removed) {
    const std::string trash = run_path + "/" + std::string(kTrash) + name + "-" + random_hex();
    try {
      rename_path(run_path + "/" + name, trash);
      remove_tree(trash);
    } catch (const Error& error) {
      removal.warnings.push_back(concat("an old checkpoint stays: ", error.what()));
    }
  }
  return removal;
}

}  // namespace bessemer::trainer
