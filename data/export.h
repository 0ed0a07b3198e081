#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "data/build.h"

namespace bessemer::data {

/// What `bessemer data export` is told.
struct ExportOptions {
  std::string data;  ///< directory of token shards
  std::string to;    ///< "megatron", "nanogpt" or "llmc"
  std::string out;   ///< a file; for Megatron what stands before .bin and .idx
  std::string split = "train";
  int64_t tokens_per_file = 0;  ///< llm.c; 0: as many as fit
  bool overwrite = false;
};

struct ExportResult {
  std::vector<std::string> files;
  uint64_t tokens = 0, documents = 0, vocab_size = 0;
  bool loss_mask = false;  ///< the shards have one, the files cannot
  std::string sha256;      ///< of all ids in order, as the shards hold them (u16 or u32)
};

/// Writes the tokens of one split as files of another program, which appear when they are complete. Memory is bounded.
/// \param progress  as of build(). Errors: Error (64) options, files that exist, a vocabulary that the format cannot
/// hold; (65) shards that are damaged; (69) disk; (75) stopped, nothing is kept.
ExportResult export_tokens(const ExportOptions& options, const std::function<bool(const BuildProgress&)>& progress);

}  // namespace bessemer::data
