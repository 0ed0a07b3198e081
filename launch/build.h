#pragma once
#include <memory>
#include <optional>
#include <string>

#include "configs/run_config.h"
#include "data/mixture.h"
#include "data/objective.h"
#include "models/model.h"
#include "parallel/grid.h"
#include "parallel/world.h"
#include "trainer/pretrained_writer.h"
#include "trainer/trainer.h"

namespace bessemer::launch {

// The only place that knows all parts: from the options of a run to the things that make it.

/// A run's options as the trainer takes them.
trainer::TrainerOptions trainer_options(const configs::RunConfig& config);

/// [data] as it is read: with the place of the cache where none is named.
data::DataOptions data_options(const configs::RunConfig& config);

/// Compute threads of a rank: parallel.threads, or its share of the cores of its host. Sets them, and returns them.
int set_threads(int64_t asked, int ranks_on_host);

struct Corpora {
  data::Mixture mixture;
  std::string tokenizer;  ///< JSON text
  data::Objective objective;
};
/// Opens the data; completes model.vocab from it, or with `least_vocab` where that is more. Not collective.
/// Errors: Error (65) where the data is not good; (64) where its vocabulary is larger than model.vocab.
/// \param ranks_on_host  they share data.cache
Corpora open_corpora(configs::RunConfig& config, int ranks_on_host, int64_t least_vocab = 0);

/// A model for evaluation or generation, with its weights.
struct Loaded {
  std::string checkpoint;  ///< its directory
  int64_t step = 0;
  configs::RunConfig config;
  std::string tokenizer;  ///< JSON text
  std::optional<trainer::PretrainedOrigin> origin;
  std::unique_ptr<models::Model> model;
};
enum class Head { kNeeded, kMayBeMissing };  ///< in a file of Hugging Face's; what is missing is zero
struct Loading {
  at::ScalarType dtype = at::kFloat;
  Head head = Head::kNeeded;
};
/// \param path  a run's directory (its newest good checkpoint), one checkpoint, or a directory of Hugging Face's.
/// \param grid  where the model is built: each rank of its tp reads its slice.
Loaded load_model(const std::string& path, const parallel::Grid& grid, const Loading& how = {});
/// Likewise, all of it in this process.
Loaded load_model(const std::string& path, parallel::DeviceKind device, int64_t threads, const Loading& how = {});

/// "cpu" or "cuda". Errors: Error (64).
parallel::DeviceKind device_named(const std::string& name);

}  // namespace bessemer::launch
