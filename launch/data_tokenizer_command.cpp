#include <fmt/format.h>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

#include "data/file.h"
#include "data/text_source.h"
#include "data/tokenizers/bpe_trainer.h"
#include "data/tokenizers/split.h"
#include "data/tokenizers/unigram_trainer.h"
#include "data/tokenizers/word_counter.h"
#include "launch/arguments.h"
#include "launch/commands.h"
#include "launch/machine.h"
#include "parallel/error.h"

namespace bessemer::launch {
namespace {

const std::vector<Flag>& flags() {
  static const std::vector<Flag> all{
      {"kind", "KIND", "bpe (byte-level, as GPT-2's and Llama 3's) or unigram (SentencePiece's)", "bpe"},
      {"vocab", "COUNT", "ids in all", "", true},
      {"input", "PATH", "text, as data build takes it", "", true, true},
      {"out", "FILE", "tokenizer.json (bpe) or .model (unigram)", "", true},
      {"documents", "HOW", "what a text file holds: file (one document) or lines", "file"},
      {"field", "NAME", "the field of a .jsonl line that holds its text", "text"},
      {"pattern", "NAME", "how bpe cuts text into words: gpt2 or cl100k", "gpt2"},
      {"special", "TEXT", "special tokens of bpe; they get the first ids", "<|endoftext|>", false, true},
      {"min-frequency", "COUNT", "pairs of bpe that occur less often are not merged", "0"},
      {"sample", "COUNT", "lines that unigram learns from, taken evenly from all", "1M"},
      {"memory", "SIZE", "for counting words; more go to temporary files", "1G"},
      {"workers", "N", "threads; 0: all usable cores", "0"}};
  return all;
}

std::string help() {
  return "example:\n  bessemer data train-tokenizer --kind bpe --vocab 32k --input texts/ --out tokenizer.json\n"
         "  bessemer data build --input texts/ --out data/mine --tokenizer hf:tokenizer.json\n\n"
         "Makes a vocabulary from text: byte-level BPE with the merges of Hugging Face's trainer, as a tokenizer.json; or a Unigram\n"
         "model by SentencePiece's trainer.\n\n" +
         flags_help(flags());
}

/// Rejects end the work: a vocabulary is made from text that is known.
class Reader : public data::TakeText {
 public:
  void reject(data::Reject reject) override {
    fail(ExitCode::kBadData, file, ": ", reject.line > 0 ? concat("line ", reject.line) : concat("byte ", reject.byte),
         ": ", reject.message);
  }
  void drop_document() override {}
  void progress(uint64_t) override {}
  std::string file;  ///< that is read
};

/// The texts of the inputs, one call after another.
void read_all(const Arguments& a, Reader& take) {
  std::vector<std::string> skipped;
  data::ReadOptions read;
  read.documents =
      a.choice<data::Documents>("documents", {{"file", data::Documents::kFile}, {"lines", data::Documents::kLines}});
  read.text_field = a.text("field"), read.utf8 = true;
  for (const auto& source : data::find_sources(a.list("input"), skipped)) {
    take.file = source.path;
    data::read_stretch(source, {0, source.bytes, true}, read, take);
  }
  for (const auto& file : skipped) fmt::print(stderr, "left out, no text: {}\n", file);
}

class CountWords final : public Reader {
 public:
  explicit CountWords(data::WordCounter& counter) : counter_(counter) {}
  void text(std::string_view piece) override { counter_.add(piece, false); }
  void end_document() override { counter_.add("", true); }

 private:
  data::WordCounter& counter_;
};

int train_bpe(const Arguments& a, int workers) {
  const auto splitter = data::make_splitter(a.choice<data::SplitPattern>(
      "pattern", {{"gpt2", data::SplitPattern::kGpt2}, {"cl100k", data::SplitPattern::kCl100k}}));
  const auto memory = static_cast<uint64_t>(a.bytes("memory"));
  data::WordCounter counter(*splitter, {memory, "/tmp", workers});
  CountWords words(counter);
  read_all(a, words);
  data::BpeTrainerOptions options;
  options.vocab_size = a.count("vocab"), options.min_frequency = static_cast<uint64_t>(a.count("min-frequency"));
  options.special_tokens = a.list("special"), options.threads = workers;
  const auto counts = counter.collect(memory);
  fmt::print(stderr, "{} different words\n", counts.size());
  const auto bpe = data::train_bpe(counts, options);
  data::write_file(a.text("out"), data::byte_level_json(bpe, a.text("pattern")));
  fmt::print("made {}: {} ids, {} merges\n", a.text("out"), bpe.tokens.size(), bpe.merges.size());
  return 0;
}

/// Lines of the inputs for one who asks for them: read on a thread of their own, a bounded number ahead.
class LineQueue final : public Reader {
 public:
  explicit LineQueue(const Arguments& a) : thread_([this, &a] { run(a); }) {}
  ~LineQueue() override {
    const std::lock_guard guard(lock_);
    closed_ = true;
    changed_.notify_all();
  }
  bool next(std::string& line) {
    std::unique_lock guard(lock_);
    changed_.wait(guard, [&] { return !lines_.empty() || done_; });
    if (lines_.empty() && error_) std::rethrow_exception(error_);
    if (lines_.empty()) return false;
    line = std::move(lines_.front());
    lines_.pop_front();
    changed_.notify_all();
    return true;
  }
  void text(std::string_view piece) override {
    held_ += piece;
    std::size_t begin = 0;
    for (auto end = held_.find('\n'); end != std::string::npos; end = held_.find('\n', begin)) {
      put(held_.substr(begin, end - begin));
      begin = end + 1;
    }
    held_.erase(0, begin);
  }
  void end_document() override { put(std::exchange(held_, {})); }

 private:
  void run(const Arguments& a) {
    try {
      read_all(a, *this);
    } catch (...) {
      error_ = std::current_exception();
    }
    const std::lock_guard guard(lock_);
    done_ = true;
    changed_.notify_all();
  }
  void put(std::string line) {
    if (line.empty()) return;
    std::unique_lock guard(lock_);
    changed_.wait(guard, [&] { return lines_.size() < 10000 || closed_; });
    BESSEMER_CHECK_ENV(!closed_, "the trainer asks for no more lines");
    lines_.push_back(std::move(line));
    changed_.notify_all();
  }
  std::mutex lock_;
  std::condition_variable changed_;
  std::deque<std::string> lines_;
  std::string held_;
  std::exception_ptr error_;
  bool done_ = false, closed_ = false;
  std::jthread thread_;  // last: it uses all the others
};

int train_unigram(const Arguments& a) {
  LineQueue lines(a);
  data::UnigramTrainerOptions options;
  options.vocab_size = a.count("vocab"), options.sample = static_cast<uint64_t>(a.count("sample"));
  const auto sample = data::train_unigram([&](std::string& line) { return lines.next(line); }, options, a.text("out"));
  fmt::print("made {}: {} ids from {} of {} lines ({} were too long)\n", a.text("out"), options.vocab_size, sample.used,
             sample.seen, sample.too_long);
  return 0;
}

int train_tokenizer(const Words& words) {
  const Arguments a(words, flags());
  const bool bpe = a.choice<bool>("kind", {{"bpe", true}, {"unigram", false}});
  const int workers =
      a.count("workers") > 0 ? static_cast<int>(std::min<int64_t>(a.count("workers"), 1024)) : usable_cores();
  return bpe ? train_bpe(a, workers) : train_unigram(a);
}

}  // namespace

std::vector<Command> data_tokenizer_commands() {
  return {{"data train-tokenizer", "makes a vocabulary from text", help, train_tokenizer}};
}

}  // namespace bessemer::launch
