#pragma once
#include <functional>
#include <string>
#include <vector>

#include "data/options.h"
#include "models/options.h"
#include "parallel/options.h"
#include "trainer/options.h"

namespace bessemer::configs {

/// A run, complete: the sum of the parts' own options.
struct RunConfig {
  trainer::RunOptions run;
  data::DataOptions data;
  models::ModelOptions model;
  parallel::ParallelOptions parallel;
  trainer::TrainOptions train;
  trainer::OptimizerOptions optimizer;
  trainer::LossScaleOptions loss_scale;
  trainer::CheckpointOptions checkpoint;
  trainer::LogOptions log;
};

/// May a run that resumes have another value? What decides the numbers of every step may not.
enum class OnResume { kFixed, kMayChange };

/// One option, bound to its field of one RunConfig (which must outlive it).
struct Option {
  std::string name;  ///< "model.layers"
  std::string kind;  ///< what a value looks like, for --help: "count", "yes|no", "fp32|bf16|fp16"
  std::string doc;   ///< with its unit, and what 0 means
  OnResume on_resume = OnResume::kFixed;
  bool is_switch = false;                       ///< a bare --name means yes
  std::function<std::string()> text;            ///< the field's value; `set` reads it back exactly
  std::function<void(const std::string&)> set;  ///< Errors: Error (64), a sentence without the option's name

  std::string section() const { return name.substr(0, name.find('.')); }
  std::string key() const { return name.substr(name.find('.') + 1); }
};

/// The one list: every option of a run, by section. Parsing, checking, --help, the echo at start, `config show`, the
/// copy in a checkpoint and the comparison at resume all walk it.
std::vector<Option> visit(RunConfig& config);

}  // namespace bessemer::configs
