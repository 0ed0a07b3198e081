#pragma once
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "data/build.h"
#include "data/tokenizer.h"
#include "data/units.h"

namespace bessemer::data {

/// What is known of the inputs before they are tokenized.
struct Inputs {
  std::vector<TextSource> sources;
  std::vector<std::string> sha256;  ///< of each source; "" until it is known
  std::vector<std::string> skipped;
  std::vector<Unit> units;
  uint64_t bytes = 0;
  std::unique_ptr<Tokenizer> tokenizer;
  std::vector<std::pair<std::string, int64_t>> added_tokens;  ///< to it, for the template: text and id
};

using TellProgress = std::function<bool(const BuildProgress&)>;

ReadOptions read_options(const BuildOptions& options);

/// Files, units and tokenizer; for `chars` all text is read.
/// Errors: Error (65) naming the file; (64) for an unknown tokenizer; (75) where progress says stop.
Inputs find_inputs(const BuildOptions& options, const TellProgress& progress);

/// Fills in the hashes that are not known yet, on all workers.
void hash_inputs(Inputs& inputs, const BuildOptions& options, const TellProgress& progress);

[[noreturn]] void stopped();  ///< Error (75)

}  // namespace bessemer::data
