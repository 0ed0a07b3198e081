#pragma once
#include <string>
#include <vector>

#include "configs/parse.h"
#include "launch/arguments.h"

namespace bessemer::launch {

/// The words of a command that takes a run: `[run.ini] [--section.name=value ...]` besides flags of its own.
struct RunWords {
  configs::Parsed parsed;
  Arguments own;
};

/// Flags are told from a run's options by their names: those have no dot.
RunWords read_run_words(const std::vector<std::string>& words, const std::vector<Flag>& flags);

}  // namespace bessemer::launch
