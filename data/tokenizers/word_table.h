#pragma once
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace bessemer::data {

using TakeWord = std::function<void(std::string_view word, uint64_t count)>;

/// A file without a name: gone when it is closed, however the process ends. Errors: Error (69).
class TemporaryFile {
 public:
  explicit TemporaryFile(std::string folder) : folder_(std::move(folder)) {}
  ~TemporaryFile();
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  void append(const void* data, std::size_t bytes);  ///< the first call makes the file
  void read_at(uint64_t offset, void* out, std::size_t bytes) const;
  uint64_t size() const { return size_; }

 private:
  std::string folder_;
  uint64_t size_ = 0;
  int fd_ = -1;
};

/// One thread's count of words. Beyond `memory` bytes, what was counted goes to a temporary file, sorted, and counting
/// begins anew; `merge_words` adds all up.
class WordTable {
 public:
  WordTable(uint64_t memory, std::string folder) : memory_(memory), file_(std::move(folder)) { clear(); }

  void add(std::string_view word);
  uint64_t spilled() const { return file_.size(); }  ///< bytes

 private:
  friend class RunReader;
  friend void merge_words(std::vector<std::unique_ptr<WordTable>>& tables, uint64_t memory, const TakeWord& take);

  struct Record {  ///< the word's bytes follow
    uint64_t count;
    uint64_t size;
    std::string_view word() const { return {reinterpret_cast<const char*>(this + 1), size}; }
  };
  struct Slot {
    uint64_t hash = 0;
    Record* record = nullptr;
  };
  struct Run {
    uint64_t begin, end;  ///< in the file
  };

  void insert(std::string_view word, uint64_t hash);
  bool grow();
  Record* place(std::size_t bytes);
  void sort();
  void spill();
  void clear();

  uint64_t memory_;
  std::vector<Slot> slots_;  ///< open addressing; once sorted, `used_` records in order
  std::size_t used_ = 0;
  std::vector<std::unique_ptr<char[]>> blocks_;  ///< of records
  uint64_t block_bytes_ = 0;                     ///< in all blocks
  char* free_ = nullptr;                         ///< in the last block
  std::size_t free_bytes_ = 0;
  TemporaryFile file_;
  std::vector<Run> runs_;
};

/// Gives each word of the tables once, in the order of its bytes, with its count over all tables, which then
/// take no more words.
/// \param memory  for reading what was spilled.
void merge_words(std::vector<std::unique_ptr<WordTable>>& tables, uint64_t memory, const TakeWord& take);

}  // namespace bessemer::data
