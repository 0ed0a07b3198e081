#pragma once
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/paths.h"

namespace bessemer::tests {

/// What a process printed and how it ended.
struct Ended {
  int code = 0;      ///< exit code, or 128 + signal
  std::string text;  ///< stdout and stderr together
};

/// A program as a user starts it. Still running at the end of its scope, it is killed with all it started.
class Process {
 public:
  Process(const std::vector<std::string>& words, const std::string& log) : log_(log) {
    const int out = open(log.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_APPEND | O_CLOEXEC,
                         0644);  // now: its old text would be taken for ours
    pid_ = fork();
    if (pid_ != 0) {
      close(out);
      return;
    }
    setpgid(0, 0);
    dup2(out, STDOUT_FILENO), dup2(out, STDERR_FILENO);
    dup2(open("/dev/null", O_RDONLY), STDIN_FILENO);
    std::vector<char*> argv;
    for (const auto& word : words) argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    execvp(argv[0], argv.data());
    _exit(127);
  }
  ~Process() {
    if (pid_ <= 0) return;
    for (const int rank : ranks()) ::kill(rank, SIGKILL);  // mpirun's ranks lead groups of their own
    ::kill(-pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  int pid() const { return pid_; }
  void signal(int number) const {
    if (pid_ > 0) ::kill(pid_, number);  // -1 would mean every process there is
  }
  std::string text() const {
    std::ifstream file(log_, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  /// The processes that it started: of mpirun, the ranks of this host.
  std::vector<int> ranks() const {
    const auto pid = std::to_string(pid_);
    std::ifstream file("/proc/" + pid + "/task/" + pid + "/children");
    return {std::istream_iterator<int>(file), {}};
  }

  /// Whether it has set a handler for the signal.
  bool catches(int number) const {
    std::ifstream file("/proc/" + std::to_string(pid_) + "/status");
    for (std::string line; std::getline(file, line);) {
      if (line.rfind("SigCgt:", 0) == 0) return (std::stoull(line.substr(7), nullptr, 16) >> (number - 1) & 1) != 0;
    }
    return false;
  }

  bool running() {
    if (pid_ <= 0) return false;
    int status = 0;
    if (waitpid(pid_, &status, WNOHANG) == 0) return true;
    ended(status);
    return false;
  }

  /// True as soon as its output holds `text`; false where it ended, or `seconds` went by, without.
  bool prints(const std::string& text_wanted, double seconds = 60) {
    const auto limit = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
    while (std::chrono::steady_clock::now() < limit) {
      const bool lives = running();
      if (text().find(text_wanted) != std::string::npos) return true;
      if (!lives) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
  }

  /// Waits for its end; what takes longer is killed and counts as code 137.
  Ended wait(double seconds = 120) {
    const auto limit = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
    while (running()) {
      if (std::chrono::steady_clock::now() > limit) {
        for (const int rank : ranks()) ::kill(rank, SIGKILL);
        ::kill(-pid_, SIGKILL);
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return {code_, text()};
  }

 private:
  void ended(int status) {
    pid_ = 0;
    code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  std::string log_;
  pid_t pid_ = 0;
  int code_ = 0;
};

/// mpirun's own words for so many ranks of this machine, more than its cores if need be.
inline std::vector<std::string> under_mpirun(int ranks, const std::vector<std::string>& words) {
  std::vector<std::string> all{kMpiexec, "--oversubscribe", "--bind-to", "none", "-n", std::to_string(ranks)};
  all.insert(all.end(), words.begin(), words.end());
  return all;
}

}  // namespace bessemer::tests
