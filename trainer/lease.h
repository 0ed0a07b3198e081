#pragma once
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "trainer/files.h"

namespace bessemer::trainer {

/// One run, one writer: the file `lease` in a run's directory, which its writer keeps locked (flock) and touches every
/// two seconds, and which says who that is: host, process, run. Held as long as the object lives.
///
/// Where flock reaches (one machine, and file systems that pass locks between hosts), the kernel decides. Where it does
/// not, the heartbeat does: a lease of another machine that is touched while we watch is held. A holder whose lease
/// was taken away finds out by lost() before it publishes anything.
class Lease {
 public:
  struct Timing {
    std::chrono::milliseconds heartbeat{2000};
    std::chrono::milliseconds watch{7000};  ///< how long a foreign lease is watched before it counts as dead
  };
  /// Errors: Error (69) naming the holder, where one lives (or may live) and `force` is not given.
  /// \param taken_over  set to a sentence where a dead or displaced holder's lease was taken.
  static Lease take(const std::string& run_path, bool force, std::string& taken_over, Timing timing);
  static Lease take(const std::string& run_path, bool force, std::string& taken_over) {
    return take(run_path, force, taken_over, Timing());
  }
  Lease(Lease&&) noexcept;
  Lease& operator=(Lease&&) noexcept;
  ~Lease();  ///< gives it back: the next job need not watch

  void name_run(const std::string& run_id);  ///< who finds the lease held is told of which run
  bool lost() const;                         ///< somebody else has the lease now (--force)

 private:
  struct State;
  explicit Lease(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace bessemer::trainer
