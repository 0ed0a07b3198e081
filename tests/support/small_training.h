#pragma once
#include <cstdio>
#include <string>

#include "data/corpus.h"
#include "data/tokenizer.h"
#include "tests/support/gpt_run.h"
#include "tests/support/run_files.h"
#include "trainer/run.h"

namespace bessemer::tests {

/// A training of a tiny GPT with dropout on real files, in this process, as `bessemer train` runs one rank.
class SmallTraining {
 public:
  explicit SmallTraining(int64_t steps) : data_(make_data(files_)) {
    shape_ = gpt2_like();
    shape_.hidden = 16, shape_.sequence = 8;
    shape_.vocab = data::open_tokenizer(data_)->vocab_size();
    options = gpt_training(4);
    options.train.steps = steps, options.train.eval_every = 4, options.train.eval_batches = 1;
    options.optimizer.warmup = 3;
  }
  std::string dir(const std::string& name) const { return files_.file(name); }

  /// Trains in `run`, from its newest checkpoint if there is one; what it says goes to the file `log`.
  trainer::RunEnd train(const std::string& run, const trainer::CheckpointOptions& checkpoint,
                        const std::string& log = "/dev/null") const {
    const parallel::Grid grid;
    const auto model = models::make_model(shape_, grid, false);
    trainer::Trainer trainer(*model, options, grid);
    trainer::RunParts parts{trainer::RunDirectory::claim(run), open_data(data_, shape_.sequence), data::Objective(),
                            checkpoint};
    parts.config = "[run]\n";
    parts.resume_from = trainer::find_newest(run, trainer::Verify::kAll).path;
    std::FILE* out = std::fopen(log.c_str(), "w");
    parts.out = out;
    try {
      const auto end = trainer::run(trainer, parts);
      std::fclose(out);
      return end;
    } catch (...) {
      std::fclose(out);
      throw;
    }
  }

  trainer::TrainerOptions options;

 private:
  TemporaryDirectory files_;
  std::string data_;
  models::ModelOptions shape_;
};

}  // namespace bessemer::tests
