#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "data/chat.h"
#include "data/text_source.h"

namespace bessemer::data {

/// Where a document goes.
enum class SplitBy {
  kTail,  ///< the last tokens of all are val (and, behind them, test): as nanoGPT
  kHash,  ///< by the hash of its text, so that a document stays where it is when others are added
};

/// What `bessemer data build` is told.
struct BuildOptions {
  std::vector<std::string> inputs;     ///< as find_sources takes them
  std::string out = {};                ///< the directory to make
  std::string tokenizer = "bytes";     ///< chars, or as open_tokenizer_spec takes it
  double val_fraction = 0.1;           ///< share of the tokens (kTail) or documents (kHash) that becomes split "val"
  int64_t shard_tokens = 512'000'000;  ///< the most tokens in one shard
  std::string text_field = "text";     ///< of a .jsonl line
  bool overwrite = false;              ///< replace another data set in `out`
  double test_fraction = 0.0;          ///< likewise, of "test"
  SplitBy split_by = SplitBy::kTail;
  Documents documents = Documents::kFile;  ///< of text files
  bool append_eod = true;                  ///< end each document with the tokenizer's token for that, if it has one
  bool drop_duplicates = false;            ///< keep the first of documents with the same text
  ChatTemplate chat =
      ChatTemplate::kNone;              ///< lines of JSON hold conversations; append_eod is then kPlain's end of turn
  bool add_tokens = false;              ///< that `chat` needs and the tokenizer has not: behind its vocabulary
  bool sentences = false;               ///< encode sentence by sentence, and keep where each begins
  bool parse_special = false;           ///< texts of special tokens mean the tokens
  uint64_t max_rejects = 0;             ///< more documents that cannot be used end the build
  uint64_t memory = uint64_t{2} << 30;  ///< for finding duplicates; more makes it read their hashes less often
  int workers = 1;                      ///< threads of this process
  std::string licence = {};             ///< of the texts, for the record
  bool dry_run = false;                 ///< only say what would be made
  uint64_t unit_bytes = 32 << 20;       ///< of input that one worker does at a time; at least 128 KiB
};

/// Processes that build together on a directory that all of them see; the first is the one that publishes.
struct BuildPeers {
  int rank = 0, size = 1;
  std::function<void()> barrier = [] {};
};

struct BuildProgress {
  const char* phase = "";               ///< "reading" (for chars), "tokenizing", "writing"
  uint64_t bytes = 0, total_bytes = 0;  ///< of the inputs, or of the tokens, in this phase
  uint64_t tokens = 0;                  ///< so far, in this phase
};

struct BuildResult {
  std::string dataset_id;
  std::map<std::string, uint64_t> split_tokens;  ///< by split
  uint64_t documents = 0, duplicates = 0, vocab_size = 0, text_bytes = 0;
  uint64_t files = 0, resumed_units = 0;  ///< units of work that a killed build had done already
  uint64_t replaced = 0;                  ///< broken UTF-8 taken as U+FFFD
  uint64_t forced = 0;                    ///< documents cut because they were too long to be encoded at once
  std::vector<std::pair<std::string, int64_t>> added_tokens;  ///< text and id
  uint64_t loss_tokens = 0;  ///< of conversations: those of answers, which the loss counts
  uint64_t rejected = 0;
  std::vector<Reject> rejects;       ///< the first of them, with the file's name in the message
  std::vector<std::string> skipped;  ///< files of directories that hold no text (a NUL byte near their front)
  bool already_there = false;        ///< `out` holds this very build; nothing was written
};

/// Tokenizes the inputs unit by unit on all workers and ranks, then deals the documents out to shards in the order of
/// the inputs, and publishes the directory by one rename: shards, dataset.json, tokenizer/tokenizer.json. Memory is
/// bounded. Equal inputs and options give equal shards, byte for byte, whatever the number of workers and ranks. A
/// build that was killed goes on where it was.
///
/// \param progress  called now and then on this thread; returning false stops the build: Error (75), what is done is
/// kept. Collective over the peers. Errors: Error (65) naming file, found, expected; (64) options, or an `out` that
/// holds something else; (69) disk.
BuildResult build(const BuildOptions& options, const std::function<bool(const BuildProgress&)>& progress,
                  const BuildPeers& peers = {});

}  // namespace bessemer::data
