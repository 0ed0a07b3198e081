#include "trainer/lease.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "parallel/error.h"

namespace bessemer::trainer {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;

/// Who holds a lease. `boot` tells machines of one name apart, and a machine from itself after a restart.
struct Holder {
  std::string host;
  std::string boot;
  int64_t process = 0;
  std::string run_id;
  std::string text() const {
    return fmt::format("host {}, process {}{}{}", host, process, run_id.empty() ? "" : ", run ", run_id);
  }
};

// With the namespace of process numbers: in another, a number says nothing of a process here.
std::string boot_id() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string id;
  file >> id;
  char space[64] = "";
  const ssize_t n = readlink("/proc/self/ns/pid", space, sizeof space - 1);
  return id + " " + std::string(space, n > 0 ? static_cast<std::size_t>(n) : 0);
}

Holder ourselves() {
  char host[256] = "?";
  gethostname(host, sizeof host - 1);
  return {host, boot_id(), getpid(), ""};
}

/// An empty lease was given back; one that cannot be read was torn by a power cut while it was written.
Holder holder_in(const std::string& text) {
  const json j = json::parse(text, nullptr, false);
  if (!j.is_object()) return {};
  try {
    return {j.value("host", ""), j.value("boot", ""), j.value("process", int64_t{0}), j.value("run_id", "")};
  } catch (const json::exception&) {
    return {};
  }
}

bool same_file(int fd, const std::string& path) {
  struct stat here {
  }, there{};
  return fstat(fd, &here) == 0 && stat(path.c_str(), &there) == 0 && here.st_ino == there.st_ino &&
         here.st_dev == there.st_dev;
}

/// Another file has its name, or none has it. A file system that does not answer says neither.
bool displaced(int fd, const std::string& path) {
  struct stat here {
  }, there{};
  if (fstat(fd, &here) != 0) return false;
  if (stat(path.c_str(), &there) != 0) return errno == ENOENT;
  return here.st_ino != there.st_ino || here.st_dev != there.st_dev;
}

timespec touched(int fd) {
  struct stat status {};
  return fstat(fd, &status) == 0 ? status.st_mtim : timespec{};
}

enum class Lock { kOurs, kHeld, kNone };

Lock take_lock(const Descriptor& file, const std::string& path) {
  if (flock(file.get(), LOCK_EX | LOCK_NB) == 0) return Lock::kOurs;
  const int error = errno;
  if (error == EWOULDBLOCK) return Lock::kHeld;
  // A file system without locks: the heartbeat must do.
  const bool none = error == ENOSYS || error == ENOLCK || error == EOPNOTSUPP || error == EINVAL;
  BESSEMER_CHECK_ENV(none, path, ": flock failed: ", std::strerror(error));
  return Lock::kNone;
}

/// True where the lease is touched while we watch.
bool beats(int fd, milliseconds watch) {
  const timespec before = touched(fd);
  const auto end = std::chrono::steady_clock::now() + watch;
  while (std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(std::min(watch, milliseconds(100)));
    const timespec now = touched(fd);
    if (now.tv_sec != before.tv_sec || now.tv_nsec != before.tv_nsec) return true;
  }
  return false;
}

bool lives(const Holder& holder, Lock lock, int fd, milliseconds watch) {
  if (lock == Lock::kHeld) return true;
  if (holder.process == 0) return false;
  const bool here = holder.boot == boot_id() && !holder.boot.empty();
  if (here && lock == Lock::kOurs) return false;  // this kernel says that nobody holds it
  if (here && kill(static_cast<pid_t>(holder.process), 0) != 0 && errno == ESRCH) return false;
  return beats(fd, watch);
}

[[noreturn]] void refuse(const std::string& run_path, const Holder& holder) {
  fail(
      ExitCode::kEnvironment, run_path, ": another job holds this run (",
      holder.process == 0 ? "it has just begun" : holder.text(),
      "); wait for it, stop it, or choose another run.dir. `bessemer train --force` takes the run from it: only if it cannot be ended");
}

}  // namespace

struct Lease::State {
  std::string path;
  Descriptor file;
  std::mutex mutex;
  std::condition_variable wake;
  bool ends = false;
  std::thread heart;

  void write(const std::string& run_id) {
    const Holder us = ourselves();
    const json j = {{"host", us.host}, {"boot", us.boot}, {"process", us.process}, {"run_id", run_id}};
    const std::string text = j.dump() + "\n";
    try {
      resize(file, path, 0);
      write_at(file, path, 0, text.data(), static_cast<int64_t>(text.size()));
    } catch (const Error&) {  // a full disk: the lock holds, only the name is missing
    }
  }

  void beat(milliseconds every) {
    std::unique_lock lock(mutex);
    while (!wake.wait_for(lock, every, [&] { return ends; })) {
      futimens(file.get(), nullptr);  // a beat that fails is missed; the lock still holds
    }
  }
};

Lease Lease::take(const std::string& run_path, bool force, std::string& taken_over, Timing timing) {
  const std::string path = run_path + "/lease";
  auto state = std::make_unique<State>();
  state->path = path;
  for (;;) {
    state->file = open_file(path, O_RDWR | O_CREAT);
    const Lock lock = take_lock(state->file, path);
    if (!same_file(state->file.get(), path)) continue;  // displaced between the two
    const Holder holder = holder_in(read_text(path, 4096));
    const bool alive = lives(holder, lock, state->file.get(), timing.watch);
    if (alive && !force) refuse(run_path, holder);
    if (holder.process != 0) {
      taken_over = holder.text() +
                   (alive ? " held this run; --force took it" : " held this run and ended without giving it back");
    }
    const bool given_back = holder.process == 0, died_here = holder.boot == boot_id();
    if (lock == Lock::kOurs && !alive && (given_back || died_here)) break;
    // A new file in its place: who held the old one, and may come back (a machine that was cut off), sees that it is no
    // longer the lease. The old one stays locked until then, so that nobody else does the same.
    const std::string mine = path + ".tmp-" + random_hex();
    Descriptor file = open_file(mine, O_RDWR | O_CREAT | O_EXCL);
    take_lock(file, mine);
    rename_path(mine, path);
    state->file = std::move(file);
    break;
  }
  state->write("");
  if (!same_file(state->file.get(), path)) refuse(run_path, holder_in(read_text(path, 4096)));
  state->heart = std::thread([s = state.get(), every = timing.heartbeat] { s->beat(every); });
  return Lease(std::move(state));
}

Lease::Lease(std::unique_ptr<State> state) : state_(std::move(state)) {}
Lease::Lease(Lease&&) noexcept = default;
Lease& Lease::operator=(Lease&&) noexcept = default;

Lease::~Lease() {
  if (!state_) return;
  {
    const std::lock_guard lock(state_->mutex);
    state_->ends = true;
  }
  state_->wake.notify_all();
  state_->heart.join();
  try {  // empty, not removed: removing it would let two jobs lock two files of one name
    if (!lost()) resize(state_->file, state_->path, 0);
  } catch (const Error&) {  // the next job finds a dead holder's
  }
}

void Lease::name_run(const std::string& run_id) { state_->write(run_id); }

bool Lease::lost() const { return displaced(state_->file.get(), state_->path); }

}  // namespace bessemer::trainer
