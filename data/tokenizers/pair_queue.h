#pragma once
#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

namespace bessemer::data {

// What the BPE trainer (bpe_trainer.cpp) keeps its pairs in.

constexpr uint64_t pair_key(uint32_t left, uint32_t right) { return static_cast<uint64_t>(left) << 32 | right; }

/// How often each pair that was ever seen occurs. Open addressing: one line of memory a look.
class PairTable {
 public:
  int64_t& operator[](uint64_t key) {
    if ((used_ + 1) * 3 > slots_.size() * 2) grow();
    Slot& slot = find(key);
    if (slot.key == kEmpty) slot.key = key, ++used_;
    return slot.count;
  }

 private:
  static constexpr uint64_t kEmpty = ~0ull;  // no pair: ids stay far below
  struct Slot {
    uint64_t key = kEmpty;
    int64_t count = 0;
  };

  Slot& find(uint64_t key) {
    const std::size_t mask = slots_.size() - 1;
    uint64_t hash = key * 0x9E3779B97F4A7C15ull;
    hash ^= hash >> 32;
    std::size_t at = (hash * 0x9E3779B97F4A7C15ull >> 32) & mask;
    while (slots_[at].key != key && slots_[at].key != kEmpty) at = (at + 1) & mask;
    return slots_[at];
  }
  void grow() {
    auto old = std::exchange(slots_, std::vector<Slot>(slots_.size() * 2));
    for (const Slot& slot : old)
      if (slot.key != kEmpty) find(slot.key) = slot;
  }

  std::vector<Slot> slots_ = std::vector<Slot>(1 << 12);
  std::size_t used_ = 0;
};

/// A pair that waits to be merged, in the words (their places) where it was newly seen.
struct QueuedPair {
  uint64_t count;
  uint32_t left, right;
  uint32_t born;   ///< by which merge
  uint32_t words;  ///< see WordLists
};

/// The lists of words of queued pairs. Most have one word, which is then the handle itself.
class WordLists {
 public:
  static constexpr uint32_t kOneWord = 1u << 31;

  static uint32_t one(uint32_t word) { return word | kOneWord; }
  uint32_t make(std::size_t size) {
    if (free_.empty()) free_.push_back(static_cast<uint32_t>(lists_.size())), lists_.emplace_back();
    const uint32_t handle = free_.back();
    free_.pop_back();
    lists_[handle].resize(size);
    return handle;
  }
  uint32_t* data(uint32_t handle) { return lists_[handle].data(); }
  /// Gives the list away.
  std::vector<uint32_t> take(uint32_t handle) {
    if (handle & kOneWord) return {handle & ~kOneWord};
    free_.push_back(handle);
    return std::exchange(lists_[handle], {});
  }

 private:
  std::vector<std::vector<uint32_t>> lists_;
  std::vector<uint32_t> free_;
};

/// The most frequent pair first; of equals the smaller pair.
class PairQueue {
 public:
  void push(const QueuedPair& pair) {
    heap_.push_back(pair);
    std::push_heap(heap_.begin(), heap_.end(), later);
  }
  bool empty() const { return heap_.empty(); }
  QueuedPair pop() {
    std::pop_heap(heap_.begin(), heap_.end(), later);
    const QueuedPair top = heap_.back();
    heap_.pop_back();
    return top;
  }

 private:
  static bool later(const QueuedPair& a, const QueuedPair& b) {
    if (a.count != b.count) return a.count < b.count;
    const uint64_t a_key = pair_key(a.left, a.right), b_key = pair_key(b.left, b.right);
    // A pair may wait twice: where two merges gave the same text. The reference then takes either first, as its hash
    // map happened to be filled; here the one that waits longer goes first.
    return a_key != b_key ? a_key > b_key : a.born > b.born;
  }
  std::vector<QueuedPair> heap_;
};

}  // namespace bessemer::data
