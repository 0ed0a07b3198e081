#pragma once
#include <sstream>
#include <stdexcept>
#include <string>

namespace bessemer {

/// How a process ends; the numbers are a contract with schedulers and scripts (see launch/README.md).
enum class ExitCode : int {
  kDone = 0,
  kUsage = 64,             ///< usage or configuration
  kBadData = 65,           ///< data or checkpoint
  kEnvironment = 69,       ///< no GPU, a library missing, a directory held by another job
  kInternal = 70,          ///< our own bug
  kHung = 74,              ///< the watchdog ended it
  kStopped = 75,           ///< stopped early after a good checkpoint: start me again
  kCheckpointFailed = 76,  ///< ended, but the last checkpoint failed
  kLossPolicy = 77,        ///< the loss, or the loss scale, broke its policy
  kNoProgress = 78         ///< restarts without progress
};

/// What a user, a file or the cluster can cause. Our own bugs are `assert`s.
class Error : public std::runtime_error {
 public:
  Error(ExitCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ExitCode code() const { return code_; }

 private:
  ExitCode code_;
};

template <class... Parts>
std::string concat(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

/// Throws Error{code, message}; the message says what, the values, and what to do.
template <class... Parts>
[[noreturn]] void fail(ExitCode code, const Parts&... parts) {
  throw Error(code, concat(parts...));
}

/// "did you mean": the candidate nearest to `word` by Damerau-Levenshtein distance, or "" if none is near.
template <class Strings>
std::string nearest(const std::string& word, const Strings& candidates);
std::size_t edit_distance(const std::string& a, const std::string& b);

template <class Strings>
std::string nearest(const std::string& word, const Strings& candidates) {
  std::string best;
  std::size_t least = word.size() / 3 + 2;  // farther than that, a suggestion misleads
  for (const auto& candidate : candidates) {
    const std::size_t d = edit_distance(word, candidate);
    if (d < least) least = d, best = candidate;
  }
  return best;
}

}  // namespace bessemer

/// Refuses with exit code 64 (usage): for what an option or an argument can cause.
#define BESSEMER_CHECK(condition, ...) \
  ((condition) ? static_cast<void>(0) : ::bessemer::fail(::bessemer::ExitCode::kUsage, __VA_ARGS__))
/// Refuses with exit code 65: for what a data file or a checkpoint can cause.
#define BESSEMER_CHECK_DATA(condition, ...) \
  ((condition) ? static_cast<void>(0) : ::bessemer::fail(::bessemer::ExitCode::kBadData, __VA_ARGS__))
/// Refuses with exit code 69: for what the machine or the cluster can cause.
#define BESSEMER_CHECK_ENV(condition, ...) \
  ((condition) ? static_cast<void>(0) : ::bessemer::fail(::bessemer::ExitCode::kEnvironment, __VA_ARGS__))
