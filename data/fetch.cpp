#include "data/fetch.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <thread>
#include <vector>

#include "data/file.h"
#include "parallel/error.h"

namespace bessemer::data {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

std::string quoted(const std::string& word) {
  std::string out = "'";
  for (const char c : word) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

uint64_t bytes_within(const std::string& folder) {
  uint64_t bytes = 0;
  std::error_code ignored;  // files come and go under a command
  for (fs::recursive_directory_iterator at(folder, ignored), end; at != end; at.increment(ignored)) {
    const uint64_t size = at->is_regular_file(ignored) ? at->file_size(ignored) : 0;
    bytes += size == static_cast<uint64_t>(-1) ? 0 : size;
  }
  return bytes;
}

/// The last lines of what a command has said, without what a terminal would obey.
std::string last_words(const std::string& log) {
  constexpr std::size_t kMost = 600;
  std::string text;
  {
    FileDescriptor file(log, FileDescriptor::Mode::kRead);
    const uint64_t size = file.size(), from = size > kMost ? size - kMost : 0;
    text.resize(size - from);
    text.resize(file.read_at(from, text.data(), text.size()));
  }
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  std::size_t begin = text.size();
  for (int lines = 0; lines < 3 && begin != std::string::npos && begin > 0; ++lines)
    begin = text.rfind('\n', begin - 1);
  if (begin != std::string::npos) text.erase(0, begin + (begin < text.size() && text[begin] == '\n'));
  for (char& c : text) {
    if (c == '\n') c = '|';
    if (static_cast<unsigned char>(c) < ' ' || c == 127) c = ' ';
  }
  return text.empty() ? "it said nothing" : "it said: " + text;
}

/// In a process group of its own, with the signals of a program that was just started. \return  its number.
pid_t start(const std::string& line, const std::string& log) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, log.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0666);
  posix_spawn_file_actions_adddup2(&actions, 1, 2);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none, all;
  sigemptyset(&none), sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  std::vector<std::string> words{"/bin/sh", "-c", line};
  std::vector<char*> argv{words[0].data(), words[1].data(), words[2].data(), nullptr};
  pid_t child = 0;
  const int error = ::posix_spawn(&child, argv[0], &actions, &attributes, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  BESSEMER_CHECK_ENV(error == 0, "/bin/sh: cannot be started: ", std::strerror(error));
  return child;
}

std::string ending(int status) {
  if (WIFSIGNALED(status)) return concat("was ended by signal ", WTERMSIG(status));
  return WEXITSTATUS(status) == 0 ? "" : concat("ended with exit status ", WEXITSTATUS(status));
}

void end(pid_t child) {
  int status = 0;
  ::kill(-child, SIGKILL);
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
}

[[noreturn]] void stopped(const std::string& source) { fail(ExitCode::kStopped, source, ": its fetch was stopped"); }

/// Runs it to its end, or until it is stopped. \return  how it failed, or "".
std::string run(const std::string& line, const std::string& copies, const std::string& log,
                const FetchCommand& command) {
  const pid_t child = start(line, log);
  uint64_t bytes = 0;
  auto since = Clock::now();
  for (auto pause = std::chrono::milliseconds(1);; pause = std::min(2 * pause, std::chrono::milliseconds(50))) {
    int status = 0;
    const pid_t ended = ::waitpid(child, &status, WNOHANG);
    if (ended == child) return ending(status);
    BESSEMER_CHECK_ENV(ended == 0 || errno == EINTR, "the command's end cannot be waited for: ", std::strerror(errno));
    if (const uint64_t now = bytes_within(copies); now != bytes) bytes = now, since = Clock::now();
    const bool stalled = std::chrono::duration<double>(Clock::now() - since).count() > command.timeout;
    if (stalled || command.stopped()) {
      end(child);
      return concat("copied nothing for ", command.timeout, " s (data.fetch_timeout) and was ended");
    }
    std::this_thread::sleep_for(pause);
  }
}

}  // namespace

std::string command_line(const std::string& command, const std::string& source, const std::string& target) {
  std::string line;
  for (std::size_t at = 0; at < command.size();) {  // in one pass: a source may hold the text {dst}
    const bool is_source = command.compare(at, 5, "{src}") == 0;
    if (is_source || command.compare(at, 5, "{dst}") == 0) {
      line += quoted(is_source ? source : target);
      at += 5;
    } else {
      line += command[at++];
    }
  }
  return line;
}

std::string fetch(const FetchCommand& command, const std::string& source, const std::string& folder,
                  const std::function<void(const std::string& path)>& check) {
  const std::string copies = folder + "/copy", log = folder + "/log",
                    path = copies + "/" + fs::path(source).filename().string();
  const std::string line = command_line(command.text, source, path);
  auto pause = command.first_pause;
  for (int tried = 1;; ++tried) {
    if (command.stopped()) stopped(source);
    fs::remove_all(copies);
    fs::create_directory(copies);
    std::string problem = run(line, copies, log, command);
    if (!problem.empty() && command.stopped()) stopped(source);
    ExitCode code = ExitCode::kEnvironment;
    if (problem.empty() && !fs::is_regular_file(path)) problem = "ended well, but made no file at {dst}";
    if (problem.empty()) {
      try {
        check(path);
        return path;
      } catch (const Error& error) {
        code = error.code(), problem = concat("ended well, but what it copied is not good: ", error.what());
      }
    }
    if (tried >= command.tries)
      fail(code, source, ": cannot be fetched, after ", tried, " tries: `", line, "` ", problem, "; ", last_words(log),
           "; see to data.fetch, or to the source");
    for (const auto until = Clock::now() + pause; Clock::now() < until && !command.stopped();)
      std::this_thread::sleep_for(std::min(pause, std::chrono::milliseconds(50)));
    pause *= 2;
  }
}

}  // namespace bessemer::data
