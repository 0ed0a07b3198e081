#pragma once
#include <memory>
#include <vector>

#include "data/packed_corpus.h"
#include "data/stretches.h"

namespace bessemer::data {

class Draws;
class Tokenizer;

/// Sentences of a document that fit in a row.
struct SentenceRun {
  int64_t document = 0;
  int64_t first = 0;               ///< token of the split
  int64_t tokens = 0;              ///< 2 at least
  std::vector<int32_t> sentences;  ///< where those behind the first begin, from `first`
};

/// Consecutive sentences into runs of at most `room` tokens: as many as fit, or, for a share of the runs, as fit in a
/// random length of 2 to room (Devlin et al. 2019, appendix A.2; create_pretraining_data.py, short_seq_prob). A longer
/// sentence is cut. No token is lost but that of a run of one.
/// \param begins  where the document's sentences begin, then its end.
std::vector<SentenceRun> sentence_runs(int64_t document, const std::vector<int64_t>& begins, int64_t room,
                                       double short_share);

/// A pair of segments to a row: before A after B after, then padding.
///
/// A run is cut in two where a sentence begins, by chance; one of a single sentence inside of it. Sentence order: both
/// change places in half of the rows (Lan et al. 2020). Next sentence: in half of them B comes from a random run of
/// another document, the part from a random sentence on; what is too long then loses tokens of the longer segment, at
/// the ends that do not meet (Devlin et al. 2019). Each run is read once an epoch; cuts, exchanges and foreign B are
/// functions of (row, key).
class PairCorpus final : public ShardCorpus {
 public:
  /// Errors: Error (65) where the shards have no sentence_offsets, or next sentences are wanted of a single document.
  PairCorpus(ShardTokens tokens, const Cut& cut);
  int64_t rows() const override { return runs_.rows(); }
  bool has_documents() const override { return true; }
  bool has_pairs() const override { return true; }
  void read_row(int64_t row, const RowRoom& out) const override;

 private:
  /// Tokens [first, first + tokens) of the split.
  struct Segment {
    int64_t first = 0, tokens = 0;
  };
  std::vector<SentenceRun> runs_of(int64_t stretch) const;
  /// Where a document's text ends: the frame has what ends a document.
  int64_t text_end(int64_t begin, int64_t end) const;
  Segment foreign(const SentenceRun& run, Draws& draws) const;
  void put(const Segment& segment, std::size_t at, const RowRoom& out) const;

  Stretches<SentenceRun> runs_;
  int64_t padding_;
};

/// What frames a pair for a tokenizer: its template's [CLS] and [SEP], or <s> and </s>. Errors: Error (65) where it has
/// neither.
PairCut pair_cut(const DataOptions& options, const Tokenizer& tokenizer);

}  // namespace bessemer::data
