#pragma once
#include <string>

#include "configs/run_config.h"
#include "data/mixture.h"
#include "parallel/world.h"
#include "trainer/run_directory.h"

namespace bessemer::launch {

/// Where a training begins.
struct Start {
  trainer::RunDirectory directory;
  std::string resume_from;  ///< a checkpoint that every rank has verified its share of; "": a new run
};

/// Takes the run's directory and finds the checkpoint to go on from. Collective.
///
/// Rank 0 decides which checkpoint, every rank confirms that it sees the same manifest, and all together read every
/// byte of it before any is used. One that is damaged is passed over for the one before it (run.on_corrupt = previous),
/// with a warning that names the file. \param force             takes the run from a job that holds it. \param
/// checkpoint_bytes  room for two is asked for. Errors: Error (69) where the directory is held or full, (65) where a
/// checkpoint is bad or of other data, (64) where options changed that may not.
Start open_run(const configs::RunConfig& config, const parallel::World& world, bool force, int64_t checkpoint_bytes,
               const data::Mixture& data);

/// The checkpoint that run.init_from means, verified: rank 0 chooses, all ranks read it together. Collective.
/// Errors: Error (65) where there is none, or it is damaged; (69) where a rank does not see it.
std::string initial_checkpoint(const configs::RunConfig& config, const parallel::World& world);

}  // namespace bessemer::launch
