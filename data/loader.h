#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "data/sampler.h"

namespace bessemer::data {

class Corpus;  // data/corpus.h: the concatenated token shards of one split

/// Host rows of one micro-step: `rows.size()` windows of sequence + 1 tokens each, row-major.
struct Rows {
  std::vector<int64_t> tokens;
  std::vector<int64_t> rows;  ///< global row numbers
  int64_t sequence = 0;
};

/// Reads the micro-batches of one dp rank in the sampler's order, one ahead on a thread of its own.
///
/// next() returns micro-step after micro-step: (step, 0), (step, 1) ... (step + 1, 0) ...; seek() starts anew at a
/// step. Errors of the reading thread are thrown by next(). Not collective: tp peers read the same rows by themselves.
class Loader {
 public:
  struct Place {
    int dp_rank = 0;
    int dp_size = 1;
    int64_t micro_batch = 1;
    int64_t micro_steps = 1;  ///< per step on this rank: global_batch / (dp_size * micro_batch)
  };
  Loader(std::shared_ptr<const Corpus> corpus, Sampler sampler, Place place, int64_t first_step);
  ~Loader();
  Rows next();
  void seek(int64_t step);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace bessemer::data
