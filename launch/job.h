#pragma once
#include <functional>
#include <string>
#include <vector>

#include "parallel/world.h"

namespace bessemer::launch {

/// What a command of many ranks does; every rank calls it.
using RankWork = std::function<int(const std::vector<std::string>& words, parallel::World& world)>;

/// Starts MPI, runs `work` and ends MPI: main's half for commands of many ranks.
///
/// An error becomes one block on stderr and the exit code of the job. An AgreedError is said by rank 0, and the ranks
/// leave together; any other ends the job at once, after a moment in which a lower rank with the same error may speak
/// first.
int run_job(const std::string& command, const std::vector<std::string>& words, const RankWork& work);

/// In a catch block of a rank: says the error and gives the exit code; where there are other ranks, ends the job.
int end_rank(const parallel::World& world, const std::string& command);

/// How many processes a launcher says it started; 1 where none says.
int launched_processes();

/// For commands of one process. Errors: Error (64) where mpirun or its like started several, which would all say the
/// same.
void refuse_many_processes(const std::string& command);

}  // namespace bessemer::launch
