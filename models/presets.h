#pragma once
#include <string>
#include <vector>

#include "models/options.h"

namespace bessemer::models {

/// Names that [model] preset accepts.
const std::vector<std::string>& preset_names();
/// The shape a preset stands for. Errors: Error (64) with "did you mean".
ModelOptions preset(const std::string& name);
/// Options with every "0 = default" and "-1 = dropout" filled in.
ModelOptions resolve(ModelOptions options);
/// Everything that is wrong with the shape for `tp` ranks, one sentence each; empty = good. The planner's rules too.
std::vector<std::string> problems(const ModelOptions& options, int64_t tp, bool sequence_parallel);

}  // namespace bessemer::models
