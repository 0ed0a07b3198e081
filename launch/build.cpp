#include "launch/build.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <limits>

#include "data/tokenizer.h"
#include "launch/machine.h"
#include "launch/model_files.h"
#include "models/presets.h"
#include "parallel/error.h"
#include "trainer/flat_checkpoint.h"

namespace bessemer::launch {
namespace {

/// What a file may lack of which only the head is made.
const std::vector<std::string> kHeadNames{"cls.*", "lm_head.*"};

/// Weights of which some may be missing: those are zero.
class WithZeros final : public trainer::WeightSource {
 public:
  explicit WithZeros(const trainer::WeightSource& source) : source_(source) {}
  const std::string& path() const override { return source_.path(); }
  std::vector<std::string> weights() const override { return source_.weights(); }
  bool has_weight(const std::string&) const override { return true; }
  const std::vector<int64_t>& weight_shape(const std::string& name) const override {
    return source_.weight_shape(name);
  }
  void read_weight(const std::string& name, int64_t dim, int64_t begin, int64_t end, int64_t first, int64_t count,
                   float* out) const override {
    if (source_.has_weight(name)) return source_.read_weight(name, dim, begin, end, first, count, out);
    std::fill_n(out, count, 0.0f);
  }

 private:
  const trainer::WeightSource& source_;
};

Loaded load(ModelFiles files, const parallel::Grid& grid, const Loading& how) {
  Loaded out{files.path, files.step, std::move(files.config), std::move(files.tokenizer), std::move(files.origin), {}};
  out.model = models::make_model(models::resolve(out.config.model), grid, false);
  models::allocate(*out.model, how.dtype, grid.device);
  if (how.head == Head::kNeeded)
    trainer::restore_weights(*out.model, *files.weights);
  else
    trainer::restore_weights(*out.model, WithZeros(*files.weights));
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

Corpora open_corpora(configs::RunConfig& config, int ranks_on_host, int64_t least_vocab) {
  const auto options = data_options(config);
  Corpora out{data::Mixture::open(options, config.model.sequence, config.train.eval_every > 0, ranks_on_host), "", {}};
  const auto tokenizer = data::tokenizer_of(options);
  out.tokenizer = tokenizer->json();
  out.objective = data::make_objective(options, *tokenizer, config.run.seed);
  const int64_t vocab = out.mixture.vocab_size();
  if (config.model.vocab == 0) config.model.vocab = std::max(vocab, least_vocab);
  BESSEMER_CHECK(config.model.vocab >= vocab, "model.vocab ", config.model.vocab, " is smaller than the vocabulary of ",
                 data::first_source(options), ", ", vocab, "; leave it at 0, or choose at least ", vocab);
  return out;
}

parallel::DeviceKind device_named(const std::string& name) {
  BESSEMER_CHECK(name == "cpu" || name == "cuda", "--device ", name, " is neither cpu nor cuda");
  return name == "cuda" ? parallel::DeviceKind::kCuda : parallel::DeviceKind::kCpu;
}

Loaded load_model(const std::string& path, const parallel::Grid& grid, const Loading& how) {
  for (int64_t below = std::numeric_limits<int64_t>::max();;) {
    ModelFiles files = open_model(path, below, how.head == Head::kNeeded ? std::vector<std::string>() : kHeadNames);
    const std::string found = files.path;
    const int64_t step = files.step;
    try {
      return load(std::move(files), grid, how);
    } catch (const Error& error) {  // a damaged tensor is found when it is read
      if (error.code() != ExitCode::kBadData || found == path) throw;
      std::cerr << "warning: skipping " << found << ": " << error.what() << "\n";
      below = step;
    }
  }
}

Loaded load_model(const std::string& path, parallel::DeviceKind device, int64_t threads, const Loading& how) {
  set_threads(threads, 1);
  parallel::Grid grid;
  BESSEMER_CHECK_ENV(device != parallel::DeviceKind::kCuda || at::hasCUDA(),
                     "--device cuda was asked for, and no GPU is usable here; leave it out");
  if (device == parallel::DeviceKind::kCuda) grid.device = at::Device(at::kCUDA, 0);
  return load_model(path, grid, how);
}

}  // namespace bessemer::launch
