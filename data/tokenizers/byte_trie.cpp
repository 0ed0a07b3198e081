#include "data/tokenizers/byte_trie.h"

#include <algorithm>

#include "parallel/error.h"

namespace bessemer::data {

/// Places nodes breadth first. Only the free cells of the last blocks are tried, so that building stays linear.
class ByteTrieBuilder {
 public:
  explicit ByteTrieBuilder(std::vector<ByteTrie::Entry> entries) : entries_(std::move(entries)) {}

  ByteTrie build() && {
    std::stable_sort(entries_.begin(), entries_.end(), [](const auto& a, const auto& b) { return a.text < b.text; });
    std::erase_if(entries_, [](const auto& entry) { return entry.text.empty(); });
    add_block(), add_block();  // the first stays empty: base 0 is that of a node without children
    for (uint32_t cell = 0; cell < kBlock; ++cell) take(cell);
    pending_.push_back({0, static_cast<uint32_t>(entries_.size()), 0, 0});
    for (std::size_t i = 0; i < pending_.size(); ++i) place_children(pending_[i]);
    return std::move(trie_);
  }

 private:
  using Cell = ByteTrie::Cell;
  static constexpr uint32_t kBlock = 256, kWindow = 16, kMostCells = 1u << 23;
  struct Pending {
    uint32_t begin, end, depth;  ///< the entries below this node share `depth` bytes
    uint32_t cell;               ///< 0: the root
  };

  void place_children(Pending node) {
    while (node.begin < node.end && entries_[node.begin].text.size() == node.depth) {
      trie_.cells_[node.cell].id = entries_[node.begin].id;
      ++node.begin;
    }
    if (node.begin == node.end) return;
    find_children(node);
    const uint32_t base = find_base();
    base_used_[base] = true;
    if (node.cell == 0)
      trie_.root_base_ = base;
    else
      trie_.cells_[node.cell].base_and_mark |= base << 9;
    for (auto& child : children_) {
      child.cell = base ^ byte_of(child, node.depth);
      take(child.cell);
      trie_.cells_[child.cell].base_and_mark = ByteTrie::kTaken | byte_of(child, node.depth);
      pending_.push_back(child);
    }
  }

  uint32_t byte_of(const Pending& child, uint32_t depth) const {
    return static_cast<unsigned char>(entries_[child.begin].text[depth]);
  }

  void find_children(const Pending& node) {
    children_.clear();
    for (uint32_t i = node.begin; i < node.end; ++i) {
      if (i == node.begin || entries_[i].text[node.depth] != entries_[i - 1].text[node.depth])
        children_.push_back({i, i, node.depth + 1, 0});
      children_.back().end = i + 1;
    }
    depth_ = node.depth;
  }

  uint32_t find_base() {
    const uint32_t first = byte_of(children_.front(), depth_);
    for (uint32_t cell = next_[0]; cell != 0; cell = next_[cell]) {
      const uint32_t base = cell ^ first;
      if (!base_used_[base] && fits(base)) return base;
    }
    const auto block = static_cast<uint32_t>(trie_.cells_.size());
    add_block();
    return block;
  }

  bool fits(uint32_t base) const {
    return std::all_of(children_.begin(), children_.end(),
                       [&](const Pending& child) { return free_[base ^ byte_of(child, depth_)]; });
  }

  // The free cells are a ring through cell 0, which is never free itself.
  void add_block() {
    const auto begin = static_cast<uint32_t>(trie_.cells_.size());
    BESSEMER_CHECK_DATA(begin + kBlock <= kMostCells, "vocabulary: its texts need more than ", kMostCells,
                        " nodes of a tree, the most that is provided for");
    for (auto* list : {&next_, &previous_}) list->resize(begin + kBlock, 0);
    trie_.cells_.resize(begin + kBlock);
    free_.resize(begin + kBlock, false);
    base_used_.resize(begin + kBlock, false);
    for (uint32_t cell = std::max(begin, 1u); cell < begin + kBlock; ++cell) {
      free_[cell] = true;
      previous_[cell] = previous_[0], next_[cell] = 0;
      next_[previous_[0]] = cell, previous_[0] = cell;
    }
    if (begin < kWindow * kBlock) return;
    for (uint32_t cell = begin - kWindow * kBlock; cell < begin - (kWindow - 1) * kBlock; ++cell) take(cell);
  }

  void take(uint32_t cell) {
    if (!free_[cell]) return;
    free_[cell] = false;
    next_[previous_[cell]] = next_[cell], previous_[next_[cell]] = previous_[cell];
  }

  std::vector<ByteTrie::Entry> entries_;
  std::vector<Pending> pending_, children_;
  uint32_t depth_ = 0;
  std::vector<uint32_t> next_, previous_;
  std::vector<bool> free_, base_used_;
  ByteTrie trie_{ByteTrie::Unbuilt{}};
};

ByteTrie::ByteTrie(std::vector<Entry> entries) { *this = ByteTrieBuilder(std::move(entries)).build(); }

ByteTrie::Match ByteTrie::longest(std::string_view text, std::size_t most) const {
  Match match;
  Node node = root();
  for (std::size_t at = 0; most > 0 && at < text.size() && step(node, text[at]); ++at) {
    if (node.id != kNone) match = {at + 1, node.id}, --most;
  }
  return match;
}

ByteTrie::Match ByteTrie::whole(std::string_view text) const {
  Node node = root();
  for (const char byte : text) {
    if (!step(node, byte)) return {};
  }
  return {text.size(), node.id};
}

}  // namespace bessemer::data
