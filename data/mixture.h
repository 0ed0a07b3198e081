#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "data/chat_template.h"
#include "data/corpus.h"
#include "data/options.h"
#include "data/sampler.h"
#include "data/tokenizer.h"

namespace bessemer::data {

/// One corpus of a run, by the name that people know it by.
struct Source {
  std::string name;
  std::shared_ptr<const Corpus> corpus;
  uint64_t share = 1;
};

/// What a run trains on: one source, or a blend of several of one tokenizer; and what it is evaluated on.
struct Mixture {
  std::vector<Source> train;
  bool group_by_length = false;
  /// Set, it ends the fetches of remote shards: reads that wait for one throw Error (75).
  std::shared_ptr<std::atomic<bool>> stop_fetching = std::make_shared<std::atomic<bool>>(false);
  std::vector<Source> validation;  ///< each a metric of its own; the only one of an unblended run has no name

  /// Opens [data]. Errors: Error (65) as Corpus::open, and where sources are of different tokenizers, or the same data.
  /// \param processes  of this job on this host, which share data.cache.
  static Mixture open(const DataOptions& options, int64_t sequence, bool evaluated, int processes = 1);

  std::vector<std::shared_ptr<const Corpus>> corpora() const;
  /// At their beginning. \param global_batch  rows of a full one, for data.group_by_length
  std::vector<Sampler::Source> sources(int64_t global_batch = 1) const;
  int64_t rows() const;  ///< in an epoch of all training sources
  int64_t tokens() const;
  int64_t vocab_size() const { return train.front().corpus->vocab_size(); }
  std::string tokenizer_sha256() const { return train.front().corpus->tokenizer_sha256(); }
};

/// How [data] cuts a split. Reads the tokenizer where it frames pairs. Errors: as pair_cut.
Cut cut_of(const DataOptions& options, int64_t sequence);

/// The first source that options name: of it the tokenizer is taken.
std::string first_source(const DataOptions& options);
/// Its tokenizer, fetched where it is remote.
std::unique_ptr<Tokenizer> tokenizer_of(const DataOptions& options);
/// How the conversations of the first source that has some were written down; kNone: all hold texts, or do not say.
ChatTemplate chat_template_of(const DataOptions& options);

}  // namespace bessemer::data
