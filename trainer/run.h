#pragma once
#include <cstdint>
#include <cstdio>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "data/mixture.h"
#include "data/objective.h"
#include "data/options.h"
#include "parallel/error.h"
#include "trainer/host_memory.h"
#include "trainer/options.h"
#include "trainer/progress.h"
#include "trainer/run_directory.h"
#include "trainer/stop.h"
#include "trainer/trainer.h"

namespace bessemer::trainer {

/// What a run is made of besides its trainer.
struct RunParts {
  RunDirectory directory;
  data::Mixture data;
  data::Objective objective;
  CheckpointOptions checkpoint = {};
  LogOptions log = {};
  int64_t ahead = 1;                               ///< DataOptions::ahead
  std::string config = {};                         ///< complete INI text, kept in checkpoints
  std::string tokenizer = {};                      ///< JSON text, likewise
  std::map<std::string, std::string> beside = {};  ///< what an export puts beside the weights, likewise
  nlohmann::json environment = {};                 ///< what this job runs on, likewise
  std::string resume_from = {};                    ///< a checkpoint that verified, or "": start anew
  StopRequests* stops = nullptr;                   ///< null: nobody asks
  HostMemory* memory = nullptr;                    ///< where it is known: what was predicted is held against its peak
  int64_t predicted_bytes = 0;
  ProgressStyle style = {};  ///< of rank 0; the others are silent
  std::FILE* out = stderr;
};

/// How a run ended.
struct RunEnd {
  ExitCode code = ExitCode::kDone;
  int64_t step = 0;
  std::string reason;                          ///< "all 2000 steps are done", "SIGUSR1" ...
  std::string checkpoint;                      ///< the newest one
  int64_t saved = 0, skipped = 0, failed = 0;  ///< checkpoints of this process
  double waited = 0;                           ///< seconds that steps waited for them in all
};

/// Trains from where the checkpoint stands to a limit (steps, tokens, epochs, wall time), or to a request to stop:
/// steps, metrics, evaluation, checkpoints. Collective over the whole grid; rank 0 speaks and writes the logs.
RunEnd run(Trainer& trainer, const RunParts& parts);

}  // namespace bessemer::trainer
