#pragma once
#include <memory>
#include <string>

namespace bessemer::trainer {

/// Requests to stop early: SIGUSR1, a `stop` file in the run's directory, and, for a process that runs alone, SIGTERM,
/// Ctrl-C and, where it is not ignored (nohup), SIGHUP. Owns the handlers while it lives and gives the old ones back.
/// One per process.
///
/// Under mpirun a TERM or INT kills the ranks about a second later whatever they do, so those keep their default there.
/// A second Ctrl-C ends the process at once.
class StopRequests {
 public:
  /// \param early  listens from now on to all of them, else to the signals that end a process only from watch() on.
  explicit StopRequests(bool alone, bool early = true);
  ~StopRequests();
  StopRequests(const StopRequests&) = delete;
  StopRequests& operator=(const StopRequests&) = delete;

  /// From now on also the file. A command listens from its first moment; the run's directory is known later.
  void watch(std::string stop_file);

  /// Why to stop ("SIGUSR1", "the file runs/a/stop"), "" if nobody asked. Remembers; the file is removed when seen.
  std::string poll();

 private:
  struct Handlers;
  void hear_endings();
  std::string stop_file_;
  bool alone_, hears_endings_ = false;
  std::string reason_;
  std::unique_ptr<Handlers> old_;
};

}  // namespace bessemer::trainer
