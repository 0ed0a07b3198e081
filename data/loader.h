#pragma once
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "data/ramp.h"
#include "data/sampler.h"

namespace bessemer::data {

class Corpus;  // data/corpus.h: the concatenated token shards of one split

/// Host rows of one micro-step, `rows.size()` of sequence + 1 tokens each, row-major.
struct Rows {
  std::vector<int64_t> tokens;
  std::vector<int64_t> rows;     ///< global row numbers
  std::vector<int64_t> starts;   ///< `sequence` for each row, as RowRoom has them; empty where no source has documents
  std::vector<uint8_t> counted;  ///< likewise; empty where no source has documents or a loss mask
  std::vector<int64_t> ends;     ///< likewise: where the prefix of each position's document ends; empty: there are none
  std::vector<uint8_t> segments;     ///< likewise; empty where rows are no pairs
  std::vector<int64_t> pair_labels;  ///< of each pair: 0 where its second segment follows the first, else 1
  int64_t sequence = 0;              ///< of the source, or, grouped by length, what the longest row of the step needs
};

/// A row to be read.
struct RowPlace {
  const Corpus* corpus = nullptr;
  int64_t row = 0;     ///< of the corpus
  int64_t number = 0;  ///< of the run
};
/// Some rows, of corpora that were cut alike. \param sequence  positions of each, as Rows has it
/// \param seed  of the run. Errors: as Corpus::read_row.
Rows read_rows(const std::vector<RowPlace>& places, int64_t sequence, uint64_t seed);

/// Reads the micro-batches of one dp rank in the sampler's order, some steps ahead, on a thread of its own.
///
/// next() returns micro-step after micro-step: (step, 0), (step, 1) ... (step + 1, 0) ... Errors of the reading thread
/// are thrown by next(). Not collective: tp peers read the same rows by themselves.
class Loader {
 public:
  struct Place {
    int dp_rank = 0;
    int dp_size = 1;
    int64_t micro_batch = 1;  ///< at most; a smaller step (a ramp-up) may have fewer rows than that
    Ramp batch{{}, 1};        ///< rows of each step over all ranks
    int64_t ahead = 1;        ///< micro-batches that wait to be taken
    int64_t reads = std::numeric_limits<int64_t>::max();  ///< micro-batches in all; there are no more
  };
  /// \param corpora  of the sampler's sources, in their order.
  /// \param sampler  as it stands before `first_step`.
  Loader(std::vector<std::shared_ptr<const Corpus>> corpora, Sampler sampler, Place place, int64_t first_step);
  ~Loader();
  /// \param waits  asked now and then while there are no rows; false ends the wait: Error (75).
  Rows next(const std::function<bool()>& waits = {});

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace bessemer::data
