#include "models/model.h"

#include "models/bert.h"
#include "models/gpt.h"
#include "models/presets.h"
#include "parallel/error.h"

namespace bessemer::models {

std::unique_ptr<Model> make_model(const ModelOptions& options, const parallel::Grid& grid, bool sequence_parallel) {
  const ModelOptions complete = resolve(options);
  std::string wrong;
  for (const auto& problem : problems(complete, grid.tp.size(), sequence_parallel)) {
    wrong += (wrong.empty() ? "" : "\n") + problem;
  }
  BESSEMER_CHECK(wrong.empty(), wrong);
  BESSEMER_CHECK(complete.vocab >= 1, "model.vocab is not set; give it, or data that tells it");
  switch (complete.family) {
    case Family::kBert: return std::make_unique<Bert>(complete, grid, sequence_parallel);
    case Family::kGpt: return std::make_unique<Gpt>(complete, grid, sequence_parallel);
  }
  fail(ExitCode::kInternal, "model.family ", static_cast<int>(complete.family), " has no model");
}

}  // namespace bessemer::models
