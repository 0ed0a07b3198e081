#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

namespace bessemer::data {

/// Finds which of many texts stand at the front of another one: a double array, 8 bytes a node, one read per byte of
/// text.
///
/// The child of a node for byte b lies in the cell base ^ b, marked by b. No two nodes share a base, so the mark alone
/// says whose child it is.
class ByteTrie {
 public:
  static constexpr uint32_t kNone = 0xFFFFFFFF;
  struct Entry {
    std::string_view text;
    uint32_t id;
  };

  ByteTrie() : ByteTrie(std::vector<Entry>()) {}
  /// Empty texts are left out; of equal texts the last one stays. The texts are not kept.
  /// Errors: Error (65) where the nodes do not fit into 2^23 cells.
  explicit ByteTrie(std::vector<Entry> entries);

  struct Node {
    uint32_t base;
    uint32_t id;  ///< kNone: no text ends here
  };
  Node root() const { return {root_base_, kNone}; }
  /// Moves `node` to its child; false: there is none.
  bool step(Node& node, char byte) const {
    const uint32_t b = static_cast<unsigned char>(byte);
    const Cell& cell = cells_[node.base ^ b];
    if ((cell.base_and_mark & 0x1FF) != (b | kTaken)) return false;
    node = {cell.base_and_mark >> 9, cell.id};
    return true;
  }

  struct Match {
    std::size_t length = 0;  ///< bytes; 0: none
    uint32_t id = kNone;
  };
  /// The longest text at the front of this one; of more than `most`, the longest of the `most` shortest.
  Match longest(std::string_view text, std::size_t most = SIZE_MAX) const;
  /// The longest way on from a node that ends a text.
  Match longest_from(Node node, std::string_view text) const {
    Match best;
    for (std::size_t i = 0; i < text.size() && step(node, text[i]); ++i) {
      if (node.id != kNone) best = {i + 1, node.id};
    }
    return best;
  }
  Match whole(std::string_view text) const;
  bool empty() const { return root_base_ == 0; }
  bool begins(char byte) const {
    Node node = root();
    return step(node, byte);
  }

 private:
  friend class ByteTrieBuilder;
  struct Unbuilt {};
  explicit ByteTrie(Unbuilt) {}
  static constexpr uint32_t kTaken = 0x100;
  struct Cell {
    uint32_t base_and_mark = 0;  ///< base << 9 | kTaken | byte; 0: nobody's
    uint32_t id = kNone;
  };
  std::vector<Cell> cells_;
  uint32_t root_base_ = 0;
};

}  // namespace bessemer::data
