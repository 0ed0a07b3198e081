#include <poll.h>
#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <system_error>

#include "launch/commands.h"
#include "launch/machine.h"
#include "launch/report.h"
#include "parallel/error.h"

namespace {

/// Of a pipe on stdout the reader has gone, which ends a program quietly (SIGPIPE may be ignored).
bool nobody_reads() {
  pollfd out{STDOUT_FILENO, 0, 0};
  return ::poll(&out, 1, 0) == 1 && (out.revents & POLLERR) != 0;
}

}  // namespace

// The one place that catches: an error becomes one block on stderr and an exit code.
int main(int argc, char** argv) {
  using namespace bessemer;
  launch::prepare_environment();
  const launch::Words words(argv + 1, argv + argc);
  const auto commands = launch::all_commands();
  const launch::Place place{launch::name_of(commands, words), "", 0, 1};
  try {
    const int code = launch::dispatch(commands, words, std::cout);
    const bool written = std::cout.flush() && std::fflush(stdout) == 0 && std::ferror(stdout) == 0;
    BESSEMER_CHECK_ENV(written || code != 0 || nobody_reads(), "stdout cannot be written: is its disk full?");
    return code;
  } catch (const Error& e) {
    launch::write_error(std::cerr, e.code(), e.what(), place, launch::colours());
    return static_cast<int>(e.code());
  } catch (const std::system_error& e) {  // fmt's, of stdout; threads that cannot be made
    launch::write_error(std::cerr, ExitCode::kEnvironment, e.what(), place, launch::colours());
    return static_cast<int>(ExitCode::kEnvironment);
  } catch (const std::exception& e) {
    launch::write_error(std::cerr, ExitCode::kInternal, e.what(), place, launch::colours());
    return static_cast<int>(ExitCode::kInternal);
  }
}
