#pragma once
#include <map>
#include <string>
#include <vector>

#include "configs/run_config.h"

namespace bessemer::configs {

/// What the batch and grid options come to on a number of ranks.
struct Layout {
  int64_t ranks = 1;
  int64_t dp = 1;
  int64_t tp = 1;
  int64_t virtual_dp = 0;   ///< 0: off
  int64_t micro_batch = 1;  ///< sequences per forward on one rank
  int64_t micro_steps = 1;  ///< per step on one rank: global_batch / (dp x micro_batch)
};

/// Only for options that check() finds nothing wrong with.
/// \param ranks  of the job; 0 = as many as parallel.dp (at least 1) x parallel.tp.
Layout layout(const RunConfig& config, int64_t ranks);

/// The rules that refuse a run before it starts: `train`, `plan` and `config check` walk these. One sentence each.
std::vector<std::string> check(const RunConfig& config, int64_t ranks);
/// What only a run needs: data that is there.
std::vector<std::string> check_data(const RunConfig& config);

/// The sentences, each followed by where the options it names were given: "... [train.steps: run.ini:3]".
std::vector<std::string> with_origins(std::vector<std::string> sentences,
                                      const std::map<std::string, std::string>& origins);

}  // namespace bessemer::configs
