#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "data/build.h"

namespace bessemer::data {

/// What `bessemer data import` is told.
struct ImportOptions {
  std::vector<std::string> inputs;           ///< as find_neighbour_sources takes them
  std::vector<std::string> val_inputs = {};  ///< likewise, for the split "val"
  std::string from = {};                     ///< a format's name; empty: found out
  std::string out = {};                      ///< the directory to make
  std::string tokenizer = {};                ///< as open_tokenizer_spec takes it: the one that made the ids
  std::string split = "train";               ///< what `inputs` become
  double val_fraction = 0;                   ///< of the tokens of `inputs`, from their end, becomes split "val"
  int64_t shard_tokens = 512'000'000;        ///< the most tokens in one shard
  int64_t eod_id = -1;                       ///< flat files: the id that ends a document
  std::string dtype = {};                    ///< of ids that have no header: "u16"; empty: the format's
  std::string column = "tokens";             ///< MDS
  bool overwrite = false;
};

/// What came of `inputs` (or of `val_inputs`).
struct ImportedTokens {
  std::string splits;  ///< "train", or "train and val"
  uint64_t tokens = 0, documents = 0;
  uint64_t empty_documents = 0;  ///< left out: they have no tokens
  std::string sha256;            ///< of all ids in order, as the shards hold them (u16 or u32)
};

struct ImportResult {
  std::string dataset_id, from;
  std::vector<ImportedTokens> sets;
  std::map<std::string, uint64_t> split_tokens;
  uint64_t vocab_size = 0, files = 0;
  std::vector<std::string> remarks;  ///< what the user should know
  bool already_there = false;
};

/// Turns token files of other programs into a data set of token shards: reads and checks all of them, writes, reads the
/// shards back and compares, and publishes the directory by one rename. Memory is bounded. Equal inputs and options
/// give equal shards. \param progress  as of build(). Errors: Error (65) naming file, place, found and expected; (64)
/// options, or an `out` that holds something else; (69) disk; (75) stopped, nothing is kept.
ImportResult import_tokens(const ImportOptions& options, const std::function<bool(const BuildProgress&)>& progress);

}  // namespace bessemer::data
