#include "launch/build.h"

#include <ATen/Parallel.h>

#include <cstdlib>
#include <iostream>
#include <limits>

#include "configs/parse.h"
#include "data/tokenizer.h"
#include "launch/machine.h"
#include "models/presets.h"
#include "parallel/error.h"
#include "trainer/checkpoint_reader.h"
#include "trainer/flat_checkpoint.h"
#include "trainer/run_directory.h"

namespace bessemer::launch {
namespace {

Loaded load_checkpoint(const std::string& path, parallel::DeviceKind device) {
  const auto reader = trainer::CheckpointReader::open(path);
  Loaded out;
  out.checkpoint = path;
  out.step = reader.step();
  auto parsed = configs::parse({"", reader.config(), {}, {}});
  BESSEMER_CHECK_DATA(parsed.problems.empty(), path,
                      " has a configuration that this version does not read: ", parsed.problems.front());
  out.config = parsed.config;
  out.tokenizer = reader.tokenizer();
  parallel::Grid grid;
  BESSEMER_CHECK_ENV(device != parallel::DeviceKind::kCuda || at::hasCUDA(),
                     "--device cuda was asked for, and no GPU is usable here; leave it out");
  if (device == parallel::DeviceKind::kCuda) grid.device = at::Device(at::kCUDA, 0);
  out.model = models::make_model(models::resolve(out.config.model), grid, false);
  models::allocate(*out.model, at::kFloat, grid.device);
  trainer::restore_weights(*out.model, reader);
  return out;
}

}  // namespace

trainer::TrainerOptions trainer_options(const configs::RunConfig& config) {
  return {config.run.seed, config.train, config.optimizer, config.loss_scale, config.parallel};
}

int set_threads(int64_t asked, int ranks_on_host) {
  const int threads = asked > 0 ? static_cast<int>(asked) : std::max(1, usable_cores() / std::max(1, ranks_on_host));
  at::set_num_threads(threads);
  return threads;
}

data::DataOptions data_options(const configs::RunConfig& config) {
  data::DataOptions options = config.data;
  if (!options.cache.empty()) return options;
  const char *cache = std::getenv("XDG_CACHE_HOME"), *home = std::getenv("HOME");
  if (cache != nullptr && *cache == '/')
    options.cache = concat(cache, "/bessemer/shards");
  else if (home != nullptr && *home == '/')
    options.cache = concat(home, "/.cache/bessemer/shards");
  return options;
}

Corpora open_corpora(configs::RunConfig& config, int ranks_on_host) {
  const auto options = data_options(config);
  Corpora out{data::Mixture::open(options, config.model.sequence, config.train.eval_every > 0, ranks_on_host), "", {}};
  out.tokenizer = data::tokenizer_of(options)->json();
  out.objective = data::make_objective(config.data, out.tokenizer, config.run.seed);
  const int64_t vocab = out.mixture.vocab_size();
  if (config.model.vocab == 0) config.model.vocab = vocab;
  BESSEMER_CHECK(config.model.vocab >= vocab, "model.vocab ", config.model.vocab, " is smaller than the vocabulary of ",
                 data::first_source(options), ", ", vocab, "; leave it at 0, or choose at least ", vocab);
  return out;
}

parallel::DeviceKind device_named(const std::string& name) {
  BESSEMER_CHECK(name == "cpu" || name == "cuda", "--device ", name, " is neither cpu nor cuda");
  return name == "cuda" ? parallel::DeviceKind::kCuda : parallel::DeviceKind::kCpu;
}

Loaded load_model(const std::string& path, parallel::DeviceKind device, int64_t threads) {
  set_threads(threads, 1);
  for (int64_t below = std::numeric_limits<int64_t>::max();;) {
    const auto found = trainer::find_checkpoint(path, trainer::Verify::kMetadata, below);
    for (const auto& warning : found.warnings) std::cerr << "warning: " << warning << "\n";
    try {
      return load_checkpoint(found.path, device);
    } catch (const Error& error) {  // a damaged tensor is found when it is read
      if (error.code() != ExitCode::kBadData || found.path == path) throw;
      std::cerr << "warning: skipping " << found.path << ": " << error.what() << "\n";
      below = found.step;
    }
  }
}

}  // namespace bessemer::launch
