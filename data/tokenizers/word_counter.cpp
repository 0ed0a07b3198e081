#include "data/tokenizers/word_counter.h"

#include <algorithm>

#include "data/utf8.h"
#include "parallel/error.h"

namespace bessemer::data {
namespace {

constexpr std::size_t kBatch = 1 << 20;
constexpr std::size_t kLongest = 1 << 30;  // without a safe cut

}  // namespace

WordCounter::WordCounter(const Splitter& splitter, const WordCounterOptions& options)
    : splitter_(splitter), options_(options), goal_(kBatch) {
  const auto threads = static_cast<uint64_t>(std::max(1, options.threads));
  for (uint64_t i = 0; i < threads; ++i)
    tables_.push_back(
        std::make_unique<WordTable>(std::max<uint64_t>(options.memory / threads, 1 << 20), options.folder));
  for (auto& table : tables_) threads_.emplace_back([this, &table = *table] { work(table); });
}

WordCounter::~WordCounter() { stop_threads(); }

void WordCounter::stop_threads() {
  {
    const std::lock_guard lock(mutex_);
    no_more_ = true;
  }
  changed_.notify_all();
  threads_.clear();  // joins them
}

void WordCounter::add(std::string_view text, bool end_of_document) {
  while (text.size() > kBatch) {
    const std::size_t whole = whole_characters(text.substr(0, kBatch));
    add_part(text.substr(0, whole));
    text.remove_prefix(whole);
  }
  add_part(text);
  if (!end_of_document) return;
  if (batch_.text.size() > begin_) batch_.ends.push_back(batch_.text.size());
  begin_ = batch_.text.size();
  goal_ = kBatch;
  if (batch_.text.size() >= kBatch) hand_over();
}

void WordCounter::add_part(std::string_view text) {
  batch_.text += text;
  if (batch_.text.size() - begin_ < goal_) return;
  const std::size_t cut = splitter_.safe_cut(std::string_view(batch_.text).substr(begin_));
  if (cut == 0) {
    goal_ = 2 * (batch_.text.size() - begin_);
    BESSEMER_CHECK_DATA(goal_ < 2 * kLongest, "a document has ", batch_.text.size() - begin_,
                        " bytes without a place where it can be cut into words; less than 2^30 are expected");
    return;
  }
  batch_.ends.push_back(begin_ + cut);
  goal_ = kBatch;
  std::string rest = batch_.text.substr(begin_ + cut);
  batch_.text.resize(begin_ + cut);
  hand_over();
  batch_.text = std::move(rest);
}

void WordCounter::hand_over() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return error_ || queue_.size() < 2 * tables_.size(); });
  if (error_) std::rethrow_exception(error_);
  queue_.push_back(std::exchange(batch_, {}));
  begin_ = 0;
  changed_.notify_all();
}

void WordCounter::work(WordTable& table) {
  std::vector<uint32_t> ends;
  while (true) {
    Batch batch;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return error_ || no_more_ || !queue_.empty(); });
      if (error_ || queue_.empty()) return;
      batch = std::move(queue_.front());
      queue_.pop_front();
    }
    changed_.notify_all();
    try {
      count(batch, table, ends);
    } catch (...) {
      const std::lock_guard lock(mutex_);
      if (!error_) error_ = std::current_exception();
      changed_.notify_all();
    }
  }
}

void WordCounter::count(const Batch& batch, WordTable& table, std::vector<uint32_t>& ends) {
  std::size_t begin = 0;
  for (const std::size_t end : batch.ends) {
    const std::string_view text = std::string_view(batch.text).substr(begin, end - begin);
    ends.clear();
    splitter_.split(text, ends);
    uint32_t from = 0;
    for (const uint32_t to : ends) {
      const std::string_view piece = text.substr(from, to - from);
      if (splitter_.keep(piece)) table.add(piece);
      from = to;
    }
    begin = end;
  }
}

void WordCounter::finish(const TakeWord& take) {
  add({});
  hand_over();
  stop_threads();
  if (error_) std::rethrow_exception(error_);
  merge_words(tables_, options_.memory, take);
  for (const auto& table : tables_) spilled_ += table->spilled();
  tables_.clear();
}

WordCounts WordCounter::collect(uint64_t memory) {
  WordCounts words;
  finish([&](std::string_view word, uint64_t count) {
    words.add(word, count);
    BESSEMER_CHECK_DATA(words.bytes() + 16 * words.size() <= memory, "the text has more than ", words.size(),
                        " different words, which take more than the ", memory,
                        " bytes of memory allowed; allow more, or train on a part of the text");
  });
  return words;
}

}  // namespace bessemer::data
