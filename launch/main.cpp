#include <cstdio>
#include <iostream>

#include "launch/commands.h"
#include "launch/machine.h"
#include "launch/report.h"
#include "parallel/error.h"

// The one place that catches: an error becomes one block on stderr and an exit code.
int main(int argc, char** argv) {
  using namespace bessemer;
  launch::prepare_environment();
  const launch::Words words(argv + 1, argv + argc);
  const auto commands = launch::all_commands();
  const launch::Place place{launch::name_of(commands, words), "", 0, 1};
  try {
    const int code = launch::dispatch(commands, words, std::cout);
    BESSEMER_CHECK_ENV(std::cout.flush() && std::fflush(stdout) == 0, "stdout cannot be written: is its disk full?");
    return code;
  } catch (const Error& e) {
    launch::write_error(std::cerr, e.code(), e.what(), place, launch::colours());
    return static_cast<int>(e.code());
  } catch (const std::exception& e) {
    launch::write_error(std::cerr, ExitCode::kInternal, e.what(), place, launch::colours());
    return static_cast<int>(ExitCode::kInternal);
  }
}
