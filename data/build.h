#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace bessemer::data {

/// What `bessemer data build` is told.
struct BuildOptions {
  std::vector<std::string> inputs;     ///< files (.jsonl: one document per line), or directories of them
  std::string out = {};                ///< the directory to make
  std::string tokenizer = "bytes";     ///< bytes | chars
  double val_fraction = 0.1;           ///< share of the tokens, from the end, that becomes split "val"
  int64_t shard_tokens = 512'000'000;  ///< the most tokens in one shard
  std::string text_field = "text";     ///< of a .jsonl line
  bool overwrite = false;              ///< replace another data set in `out`
};

struct BuildProgress {
  const char* phase = "";               ///< "reading", "writing"
  uint64_t bytes = 0, total_bytes = 0;  ///< of the inputs, in this phase
  uint64_t tokens = 0;                  ///< so far, in this phase
};

struct BuildResult {
  std::string dataset_id;
  uint64_t train_tokens = 0, val_tokens = 0, documents = 0, vocab_size = 0;
  uint64_t files = 0;
  std::vector<std::string> skipped;  ///< files of directories that hold no text (a NUL byte near their front)
  bool already_there = false;        ///< `out` holds this very build; nothing was written
};

/// Reads the inputs twice (counts and characters, then tokens), in bounded memory, and publishes the directory by one
/// rename: shards, dataset.json, tokenizer/tokenizer.json. Equal inputs and options give equal shards, byte for byte.
///
/// \param progress  called about once per MiB; returning false stops the build: Error (75), nothing stays.
/// Errors: Error (65) naming file, found, expected; (64) options, or an `out` that holds something else; (69) disk.
BuildResult build(const BuildOptions& options, const std::function<bool(const BuildProgress&)>& progress);

}  // namespace bessemer::data
