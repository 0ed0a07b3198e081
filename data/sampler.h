#pragma once
#include <cstdint>
#include <memory>
#include <vector>

namespace bessemer::data {

class LengthGroups;  // data/length_groups.h

/// The global stream of rows: which window of which source each is (DESIGN, contract "Rows").
///
/// Window w is tokens [w s, w s + s + 1) of a source's concatenated shards. The i-th row of a source is its window
/// permute(seed, epoch, i mod W), epoch = i div W: every window once an epoch, without a table
/// (or, grouped by length, what LengthGroups makes of it). With one source its
/// i-th row is row i of the stream; with several, they
/// take turns such that each is always within one row of its share. Ranks, accumulation
/// and resume change nothing; where the stream stands is a few numbers for each source.
class Sampler {
 public:
  struct Source {
    int64_t windows = 0;                                   ///< W, at least 1
    uint64_t share = 1;                                    ///< of the sum of all
    int64_t rows = 0;                                      ///< given so far
    int64_t blended = 0;                                   ///< of those, since the shares are what they are
    std::shared_ptr<const LengthGroups> groups = nullptr;  ///< their order; null: permuted without regard to length
  };
  /// One row of the stream.
  struct Row {
    std::size_t source = 0;
    int64_t index = 0;  ///< it is the index-th row of its source
  };

  /// \param row  rows given so far, by all sources, those of an earlier blend among them.
  Sampler(uint64_t seed, std::vector<Source> sources, int64_t row = 0);
  /// Row number row() and what follows. \return the next `count` rows; the stream then stands behind them.
  std::vector<Row> take(int64_t count);
  /// As take, for nobody: cheap with one source, some nanoseconds a row with more.
  void skip(int64_t count);
  int64_t window(const Row& row) const;
  /// How many tokens its window has; 0 where the order does not regard it.
  int64_t tokens(const Row& row) const;
  int64_t epoch(const Row& row) const { return row.index / sources_[row.source].windows; }
  int64_t row() const { return row_; }
  uint64_t seed() const { return seed_; }
  const std::vector<Source>& sources() const { return sources_; }

 private:
  Row next();

  uint64_t seed_;
  std::vector<Source> sources_;
  uint64_t shares_ = 0;  ///< their sum
  int64_t row_;
};

}  // namespace bessemer::data
