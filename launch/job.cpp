#include "launch/job.h"

#include <c10/util/Exception.h>

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <thread>

#include "launch/report.h"

namespace bessemer::launch {
namespace {

/// How many processes a launcher says it started, and the variable that says so; 1 where none says.
std::pair<int, const char*> launched() {
  for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS", "WORLD_SIZE"}) {
    const char* text = std::getenv(name);
    if (text != nullptr && std::atoi(text) > 1) return {std::atoi(text), name};
  }
  return {1, ""};
}

/// A process that MPI takes for the only one, although its launcher started several: each would train the whole model
/// alone.
void refuse_singletons(int size) {
  const auto [count, name] = launched();
  BESSEMER_CHECK_ENV(size > 1 || count <= 1, name, " says that ", count,
                     " processes were started, but MPI sees only this one; start them with "
                     "`mpirun -n ",
                     count, " bessemer ...`, or with `srun --mpi=pmix` under Slurm");
}

int leave(const parallel::World& world, const std::string& command, ExitCode code, const std::string& message) {
  // All ranks often fail alike. The lowest speaks first and ends the job, which silences the others.
  if (world.rank() > 0) std::this_thread::sleep_for(std::chrono::milliseconds(1000 + 20 * std::min(world.rank(), 100)));
  write_error(std::cerr, code, message, {command, world.host(), world.rank(), world.size()}, colours());
  if (!world.alone()) world.abort(static_cast<int>(code));
  return static_cast<int>(code);
}

}  // namespace

int launched_processes() { return launched().first; }

void refuse_many_processes(const std::string& command) {
  BESSEMER_CHECK(launched().first <= 1, "`bessemer ", command, "` works in one process, and ", launched().first,
                 " were started; leave mpirun out");
}

int end_rank(const parallel::World& world, const std::string& command) {
  constexpr const char* kLess = "\nchoose a smaller train.micro_batch, more ranks, or parallel.zero = yes";
  try {
    throw;
  } catch (const AgreedError& e) {
    if (world.rank() == 0) write_error(std::cerr, e.code(), e.what(), {command, world.host(), 0, 1}, colours());
    return static_cast<int>(e.code());
  } catch (const Error& e) {
    return leave(world, command, e.code(), e.what());
  } catch (const c10::OutOfMemoryError& e) {
    return leave(world, command, ExitCode::kEnvironment, std::string(e.what_without_backtrace()) + kLess);
  } catch (const std::bad_alloc&) {
    return leave(world, command, ExitCode::kEnvironment, std::string("out of memory") + kLess);
  } catch (const c10::Error& e) {
    const std::string text = e.what_without_backtrace();
    if (text.find("can't allocate memory") != std::string::npos)
      return leave(world, command, ExitCode::kEnvironment, text + kLess);
    return leave(world, command, ExitCode::kInternal, text);
  } catch (const std::exception& e) {
    return leave(world, command, ExitCode::kInternal, e.what());
  }
}

int run_job(const std::string& command, const std::vector<std::string>& words, const RankWork& work) {
  parallel::World world(nullptr, nullptr);
  try {
    refuse_singletons(world.size());
    return work(words, world);
  } catch (...) {
    return end_rank(world, command);
  }
}

}  // namespace bessemer::launch
