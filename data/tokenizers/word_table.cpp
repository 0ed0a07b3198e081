#include "data/tokenizers/word_table.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <utility>

#include "parallel/error.h"

namespace bessemer::data {
namespace {

constexpr std::size_t kBlock = 1 << 18;
constexpr std::size_t kFirstSlots = 1 << 10;

uint64_t mix(uint64_t a) {
  a *= 0x9E3779B97F4A7C15ull;
  return a ^ a >> 32;
}

uint64_t hash_of(std::string_view word) {
  uint64_t hash = word.size(), part = 0;
  const char* at = word.data();
  std::size_t left = word.size();
  for (; left >= 8; at += 8, left -= 8) {
    std::memcpy(&part, at, 8);
    hash = mix(hash ^ part);
  }
  part = 0;
  std::memcpy(&part, at, left);
  return mix(mix(hash ^ part));
}

}  // namespace

TemporaryFile::~TemporaryFile() {
  if (fd_ >= 0) ::close(fd_);
}

void TemporaryFile::append(const void* data, std::size_t bytes) {
  if (fd_ < 0) {
    std::string path = folder_ + "/words-XXXXXX";
    fd_ = ::mkstemp(path.data());
    BESSEMER_CHECK_ENV(fd_ >= 0, folder_, ": no temporary file can be made there: ", std::strerror(errno));
    ::unlink(path.c_str());
  }
  const auto* at = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t n = ::write(fd_, at, bytes);
    BESSEMER_CHECK_ENV(n >= 0 || errno == EINTR, folder_, ": a temporary file cannot be written after ", size_,
                       " bytes: ", std::strerror(errno), "; free space there, or allow more memory");
    if (n > 0) at += n, bytes -= static_cast<std::size_t>(n), size_ += static_cast<uint64_t>(n);
  }
}

void TemporaryFile::read_at(uint64_t offset, void* out, std::size_t bytes) const {
  auto* at = static_cast<char*>(out);
  while (bytes > 0) {
    const ssize_t n = ::pread(fd_, at, bytes, static_cast<off_t>(offset));
    BESSEMER_CHECK_ENV(n > 0 || (n < 0 && errno == EINTR), folder_, ": a temporary file cannot be read at ", offset,
                       ": ", n == 0 ? "it ends there" : std::strerror(errno));
    if (n > 0) at += n, offset += static_cast<uint64_t>(n), bytes -= static_cast<std::size_t>(n);
  }
}

void WordTable::add(std::string_view word) {
  const uint64_t hash = hash_of(word);
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t at = hash & mask; slots_[at].record != nullptr; at = (at + 1) & mask) {
    if (slots_[at].hash != hash) continue;
    Record& record = *slots_[at].record;
    if (record.size == word.size() && std::memcmp(record.word().data(), word.data(), word.size()) == 0) {
      ++record.count;
      return;
    }
  }
  insert(word, hash);
}

void WordTable::insert(std::string_view word, uint64_t hash) {
  if ((used_ + 1) * 3 > slots_.size() * 2 && !grow()) spill();
  const std::size_t bytes = (sizeof(Record) + word.size() + 7) / 8 * 8;
  if (bytes > free_bytes_ && used_ > 0 &&
      block_bytes_ + std::max(bytes, kBlock) + slots_.size() * sizeof(Slot) > memory_)
    spill();
  Record* record = place(bytes);
  *record = {1, word.size()};
  std::memcpy(record + 1, word.data(), word.size());
  const std::size_t mask = slots_.size() - 1;
  std::size_t at = hash & mask;
  while (slots_[at].record != nullptr) at = (at + 1) & mask;
  slots_[at] = {hash, record};
  ++used_;
}

/// False where the memory does not allow it.
bool WordTable::grow() {
  if (block_bytes_ + 3 * slots_.size() * sizeof(Slot) > memory_ && used_ > 0) return false;
  const auto old = std::exchange(slots_, std::vector<Slot>(2 * slots_.size()));
  const std::size_t mask = slots_.size() - 1;
  for (const Slot& slot : old) {
    if (slot.record == nullptr) continue;
    std::size_t at = slot.hash & mask;
    while (slots_[at].record != nullptr) at = (at + 1) & mask;
    slots_[at] = slot;
  }
  return true;
}

WordTable::Record* WordTable::place(std::size_t bytes) {
  if (bytes > free_bytes_) {
    free_bytes_ = std::max(bytes, kBlock);
    blocks_.push_back(std::make_unique_for_overwrite<char[]>(free_bytes_));
    free_ = blocks_.back().get();
    block_bytes_ += free_bytes_;
  }
  auto* record = reinterpret_cast<Record*>(free_);
  free_ += bytes, free_bytes_ -= bytes;
  return record;
}

void WordTable::sort() {
  const auto end = std::remove_if(slots_.begin(), slots_.end(), [](const Slot& slot) { return !slot.record; });
  std::sort(slots_.begin(), end, [](const Slot& a, const Slot& b) { return a.record->word() < b.record->word(); });
}

void WordTable::spill() {
  sort();
  const uint64_t begin = file_.size();
  std::string buffer;
  for (std::size_t i = 0; i < used_; ++i) {
    const Record* record = slots_[i].record;
    buffer.append(reinterpret_cast<const char*>(record), sizeof(Record) + record->size);
    if (buffer.size() < kBlock && i + 1 < used_) continue;
    file_.append(buffer.data(), buffer.size());
    buffer.clear();
  }
  runs_.push_back({begin, file_.size()});
  clear();
}

void WordTable::clear() {
  slots_ = std::vector<Slot>(kFirstSlots);
  used_ = 0;
  blocks_.clear();
  block_bytes_ = free_bytes_ = 0;
}

/// Reads one sorted run, from a table or its file.
class RunReader {
 public:
  explicit RunReader(const WordTable& table) : table_(&table) {}
  RunReader(const WordTable& table, WordTable::Run run, std::size_t buffer)
      : table_(&table), in_file_(true), at_(run.begin), end_(run.end), buffer_bytes_(buffer) {}

  /// Goes to the next word; false: there is none.
  bool next() {
    if (!in_file_) {
      if (at_ == table_->used_) return false;
      record_ = table_->slots_[at_++].record;
      word_ = record_->word(), count_ = record_->count;
      return true;
    }
    if (!have(sizeof(WordTable::Record))) return false;
    WordTable::Record record;
    std::memcpy(&record, buffer_.data() + used_, sizeof record);
    have(sizeof record + record.size);
    word_ = {buffer_.data() + used_ + sizeof record, record.size}, count_ = record.count;
    used_ += sizeof record + record.size;
    return true;
  }
  std::string_view word() const { return word_; }
  uint64_t count() const { return count_; }

 private:
  /// Makes `bytes` readable at used_; false at the end of the run.
  bool have(std::size_t bytes) {
    if (buffer_.size() - used_ >= bytes) return true;
    if (at_ == end_ && used_ == buffer_.size()) return false;
    buffer_.erase(0, std::exchange(used_, 0));
    const std::size_t kept = buffer_.size();
    const auto more = static_cast<std::size_t>(std::min<uint64_t>(std::max(bytes, buffer_bytes_) - kept, end_ - at_));
    buffer_.resize(kept + more);
    table_->file_.read_at(at_, buffer_.data() + kept, more);
    at_ += more;
    return true;
  }

  const WordTable* table_;
  const WordTable::Record* record_ = nullptr;
  bool in_file_ = false;
  uint64_t at_ = 0, end_ = 0;
  std::size_t buffer_bytes_ = 0, used_ = 0;
  std::string buffer_;
  std::string_view word_;
  uint64_t count_ = 0;
};

void merge_words(std::vector<std::unique_ptr<WordTable>>& tables, uint64_t memory, const TakeWord& take) {
  std::size_t runs = 0;
  for (auto& table : tables) {
    if (table->runs_.empty())
      table->sort();
    else if (table->used_ > 0)
      table->spill();  // makes room for the buffers
    runs += table->runs_.size();
  }
  const std::size_t buffer = std::clamp<uint64_t>(memory / (runs + 1), 1 << 12, 1 << 20);
  std::vector<RunReader> readers;
  for (const auto& table : tables) {
    if (table->runs_.empty()) readers.emplace_back(*table);
    for (const auto& run : table->runs_) readers.emplace_back(*table, run, buffer);
  }
  const auto later = [&](std::size_t a, std::size_t b) { return readers[a].word() > readers[b].word(); };
  std::vector<std::size_t> heap;
  for (std::size_t i = 0; i < readers.size(); ++i)
    if (readers[i].next()) heap.push_back(i);
  std::make_heap(heap.begin(), heap.end(), later);
  std::string word;
  while (!heap.empty()) {
    uint64_t count = 0;
    word = readers[heap.front()].word();
    while (!heap.empty() && readers[heap.front()].word() == word) {
      std::pop_heap(heap.begin(), heap.end(), later);
      RunReader& reader = readers[heap.back()];
      count += reader.count();
      if (reader.next())
        std::push_heap(heap.begin(), heap.end(), later);
      else
        heap.pop_back();
    }
    take(word, count);
  }
}

}  // namespace bessemer::data
