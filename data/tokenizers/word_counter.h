#pragma once
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "data/tokenizers/parts.h"
#include "data/tokenizers/word_counts.h"
#include "data/tokenizers/word_table.h"

namespace bessemer::data {

struct WordCounterOptions {
  uint64_t memory =
      1ull << 30;  ///< bytes for counting; beyond them, words go to temporary files (at least 1 MiB a thread)
  std::string folder = "/tmp";  ///< of temporary files
  int threads = 1;
};

/// Counts the pieces that a splitter cuts texts into, over many threads, in bounded memory. The result depends on
/// neither. One thread adds; errors in another appear in the next call.
class WordCounter {
 public:
  WordCounter(const Splitter& splitter, const WordCounterOptions& options);
  ~WordCounter();

  /// \param text  valid UTF-8: a document, or the next part of one, cut anywhere between characters.
  /// Errors: Error (65) for a document with a gigabyte that the splitter finds no safe cut in, (69) for a full disk.
  void add(std::string_view text, bool end_of_document = true);
  /// Gives each word once, in the order of their bytes. The last call.
  void finish(const TakeWord& take);
  /// Instead of `finish`: all in memory. Errors: Error (65) where the different words take more than `memory` bytes.
  WordCounts collect(uint64_t memory);
  uint64_t spilled() const { return spilled_; }  ///< bytes written to temporary files, after `finish`

 private:
  struct Batch {
    std::string text;
    std::vector<std::size_t> ends;  ///< of parts that are split each for itself
  };
  void add_part(std::string_view text);
  void hand_over();
  void work(WordTable& table);
  void count(const Batch& batch, WordTable& table, std::vector<uint32_t>& ends);
  void stop_threads();

  const Splitter& splitter_;
  WordCounterOptions options_;
  Batch batch_;
  std::size_t begin_ = 0;  ///< in batch_: where the document that is being added begins
  std::size_t goal_;       ///< bytes of it at which a cut is looked for
  std::vector<std::unique_ptr<WordTable>> tables_;
  uint64_t spilled_ = 0;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Batch> queue_;
  bool no_more_ = false;
  std::exception_ptr error_;
  std::vector<std::jthread> threads_;
};

}  // namespace bessemer::data
