#include "launch/report.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <sstream>
#include <string_view>

namespace bessemer::launch {

std::string exit_advice(ExitCode code) {
  switch (code) {
    case ExitCode::kDone: return "done";
    case ExitCode::kUsage: return "usage or configuration: correct it and start again; --help shows every option";
    case ExitCode::kBadData:
      return "data or checkpoint: not what is needed here; `bessemer data verify` and `bessemer ckpt verify` find damage";
    case ExitCode::kEnvironment: return "this machine or job: something the run needs is missing or taken";
    case ExitCode::kInternal:
      return "a bug of Bessemer's: please report this block and the output of `bessemer version`";
    case ExitCode::kHung: return "hung: a rank did not answer; start again to go on from the newest checkpoint";
    case ExitCode::kStopped: return "stopped early: start the same command again";
    case ExitCode::kCheckpointFailed: return "the last checkpoint could not be written; the ones before it are good";
    case ExitCode::kLossPolicy:
      return "the loss broke its policy: lower the learning rate, or look at the data of that step";
    case ExitCode::kNoProgress: return "restarted without progress: look at the errors before this one";
  }
  return "";
}

void write_error(std::ostream& out, ExitCode code, std::string message, const Place& place, bool colour) {
  for (char& c : message) {  // text of damaged files must not reach the terminal as commands
    if ((static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t') || c == 0x7f) c = '?';
  }
  const char* red = colour ? "\033[1;31m" : "";
  const char* plain = colour ? "\033[0m" : "";
  const auto more = std::count(message.begin(), message.end(), '\n');
  // Built first and written at once, so that the blocks of several ranks do not mix.
  std::ostringstream block;
  if (more == 0) {
    block << red << "error:" << plain << " " << message << "\n";
  } else {
    block << red << "error:" << plain << " " << more + 1 << " problems\n";
    std::istringstream lines(message);
    for (std::string line; std::getline(lines, line);) block << "  - " << line << "\n";
  }
  block << "  in: bessemer" << (place.command.empty() ? "" : " ") << place.command;
  if (place.ranks > 1) block << ", rank " << place.rank << " of " << place.ranks << " on " << place.host;
  block << "\n  exit " << static_cast<int>(code) << ", " << exit_advice(code) << "\n";
  out << block.str() << std::flush;
}

bool colours() {
  const char* no = std::getenv("NO_COLOR");
  const char* term = std::getenv("TERM");
  const bool dumb = term == nullptr || std::string_view(term) == "dumb";
  return isatty(STDERR_FILENO) && !dumb && (no == nullptr || *no == '\0');
}

}  // namespace bessemer::launch
