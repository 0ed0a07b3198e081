#include "trainer/run_directory.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <optional>

#include "parallel/error.h"

namespace bessemer::trainer {
namespace {

constexpr const char* kLock = "lock";
constexpr std::string_view kStep = "step-";
constexpr std::string_view kTemporary = ".tmp-";
constexpr std::string_view kTrash = ".trash-";

Descriptor take_lock(const std::string& path) {
  const std::string file = path + "/" + kLock;
  Descriptor lock = open_file(file, O_RDWR | O_CREAT);
  if (flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    const int error = errno;
    BESSEMER_CHECK_ENV(error == EWOULDBLOCK, file, ": flock failed: ", std::strerror(error));
    const std::string holder = read_text(file, 4096);
    fail(ExitCode::kEnvironment, path, ": another job holds this run (", holder.empty() ? "unknown" : holder,
         "); wait for it, stop it, or choose another run.dir");
  }
  char host[256] = "?";
  gethostname(host, sizeof host - 1);
  const std::string holder = fmt::format("host {}, process {}", host, getpid());
  BESSEMER_CHECK_ENV(ftruncate(lock.get(), 0) == 0, file, ": ftruncate failed: ", std::strerror(errno));
  write_at(lock, file, 0, holder.data(), static_cast<int64_t>(holder.size()));
  return lock;
}

// A temporary of write_text_atomically: NAME.tmp- and 16 digits.
bool is_temporary_text(const std::string& name) {
  const auto at = name.rfind(kTemporary);
  return at != std::string::npos && name.size() - at == kTemporary.size() + 16;
}

void remove_leftovers(const std::string& path) {
  for (const std::string& name : list_directory(path)) {
    const bool save = name.starts_with(std::string(kTemporary) + std::string(kStep));
    const bool trash = name.starts_with(std::string(kTrash) + std::string(kStep));
    if (save || trash || is_temporary_text(name)) remove_tree(path + "/" + name);
  }
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

}  // namespace

std::string RunDirectory::step_name(int64_t step) { return fmt::format("step-{:010}", step); }

RunDirectory RunDirectory::claim(const std::string& path) {
  try {
    make_directories(path);
    Descriptor lock = take_lock(path);
    remove_leftovers(path);
    probe(path);
    return {path, std::move(lock)};
  } catch (const Error& error) {
    fail(error.code(), "the run directory cannot be used: ", error.what());
  }
}

RunDirectory RunDirectory::join(const std::string& path) { return {path, Descriptor()}; }

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

FoundCheckpoint find_newest(const std::string& run_path, Verify verify) {
  FoundCheckpoint found;
  const auto steps = checkpoint_steps(run_path);
  for (auto step = steps.rbegin(); step != steps.rend(); ++step) {
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

FoundCheckpoint find_checkpoint(const std::string& path, Verify verify) {
  BESSEMER_CHECK_DATA(exists(path), path, ": there is no such directory");
  const bool run = !checkpoint_steps(path).empty();
  if (!run) return {path, CheckpointReader::open(path, verify).step(), {}};
  FoundCheckpoint found = find_newest(path, verify);
  if (found.path.empty())
    fail(ExitCode::kBadData, path, ": none of its checkpoints is whole; ", found.warnings.front());
  return found;
}

std::vector<std::string> apply_retention(const std::string& run_path, int64_t keep) {
  struct Good {
    int64_t step;
    double loss;
  };
  std::vector<Good> good;  // newest first
  const auto steps = checkpoint_steps(run_path);
  for (auto step = steps.rbegin(); step != steps.rend(); ++step) {
    try {
      const auto checkpoint = CheckpointReader::open(run_path + "/" + RunDirectory::step_name(*step));
      good.push_back({*step, checkpoint.validation_loss()});
    } catch (const Error&) {  // not good: neither counted nor removed
    }
  }
  int64_t best = -1;
  double least = INFINITY;
  for (const Good& g : good) {
    if (g.loss < least) least = g.loss, best = g.step;
  }
  std::vector<std::string> warnings;
  for (std::size_t i = static_cast<std::size_t>(std::max<int64_t>(1, keep)); i < good.size(); ++i) {
    if (good[i].step == best) continue;
    const std::string name = RunDirectory::step_name(good[i].step);
    const std::string trash = run_path + "/" + std::string(kTrash) + name + "-" + random_hex();
    try {
      rename_path(run_path + "/" + name, trash);
      remove_tree(trash);
    } catch (const Error& error) {
      warnings.push_back(concat("an old checkpoint stays: ", error.what()));
    }
  }
  return warnings;
}

}  // namespace bessemer::trainer
