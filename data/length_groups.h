#pragma once
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace bessemer::data {

class Corpus;  // data/corpus.h

/// The order of a source's rows in which those of a global batch are about as long as each other, and global batches of
/// all lengths follow each other as chance has it.
///
/// Of 64 global batches of permuted rows, those of one epoch are sorted by length and cut into global batches again,
/// which take turns in a permuted order: a pure function of (seed, index), every row once an epoch. What is kept is the
/// order of the 64 at hand. Source: the megabatches of Hugging Face transformers, trainer_pt_utils.py,
/// get_length_grouped_indices.
class LengthGroups {
 public:
  /// \param batch  rows of a global batch.
  LengthGroups(std::shared_ptr<const Corpus> corpus, int64_t batch);
  struct Row {
    int64_t row = 0;     ///< of the corpus
    int64_t tokens = 0;  ///< how many it has
  };
  /// The index-th row of the source, over all epochs. Any thread. Errors: as Corpus::read_row.
  Row at(uint64_t seed, int64_t index) const;

 private:
  struct Group {
    uint64_t seed = 0;
    int64_t begin = 0, end = 0;  ///< its indices; of one epoch
    std::vector<Row> rows;
  };
  Group make(uint64_t seed, int64_t index) const;

  std::shared_ptr<const Corpus> corpus_;
  int64_t batch_;
  mutable std::mutex mutex_;
  mutable Group recent_;
};

}  // namespace bessemer::data
