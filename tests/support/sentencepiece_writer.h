#pragma once
#include <bit>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace bessemer::tests {

/// Writes a message in Protocol Buffers' wire format.
class ProtobufWriter {
 public:
  ProtobufWriter& integer(uint32_t field, int64_t value) {
    return key(field, 0), varint(static_cast<uint64_t>(value)), *this;
  }
  ProtobufWriter& number(uint32_t field, float value) {
    key(field, 5);
    const auto bits = std::bit_cast<uint32_t>(value);
    for (int shift = 0; shift < 32; shift += 8) text_ += static_cast<char>(bits >> shift);
    return *this;
  }
  ProtobufWriter& bytes(uint32_t field, std::string_view value) {
    return key(field, 2), varint(value.size()), text_ += value, *this;
  }
  const std::string& text() const { return text_; }

 private:
  void key(uint32_t field, uint32_t wire) { varint(field << 3 | wire); }
  void varint(uint64_t value) {
    for (; value >= 0x80; value >>= 7) text_ += static_cast<char>(value | 0x80);
    text_ += static_cast<char>(value);
  }
  std::string text_;
};

/// A SentencePiece .model, made piece by piece.
struct SmallModel {
  struct Piece {
    std::string text;
    float score;
    int type = 1;  ///< 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte
  };
  std::vector<Piece> pieces = {{"<unk>", 0, 2}, {"<s>", 0, 3}, {"</s>", 0, 3}};
  ProtobufWriter trainer, normalizer, rest;

  SmallModel& add(const std::string& text, float score, int type = 1) {
    return pieces.push_back({text, score, type}), *this;
  }
  SmallModel& add_bytes() {
    constexpr char kDigits[] = "0123456789ABCDEF";
    for (int i = 0; i < 256; ++i) add(std::string("<0x") + kDigits[i / 16] + kDigits[i % 16] + ">", 0, 6);
    trainer.integer(35, 1);
    return *this;
  }
  std::string bytes() const {
    ProtobufWriter out;
    for (const auto& piece : pieces) {
      ProtobufWriter one;
      one.bytes(1, piece.text).number(2, piece.score);
      if (piece.type != 1) one.integer(3, piece.type);
      out.bytes(1, one.text());
    }
    return out.bytes(2, trainer.text()).bytes(3, normalizer.text()).text() + rest.text();
  }
};

/// A precompiled_charsmap with these rules: each node of the tree of rules gets a block of the double array for its
/// children.
inline std::string charsmap_blob(const std::map<std::string, std::string>& rules) {
  std::string texts;
  std::vector<uint32_t> units(256, 0x80000000u);  // "a value": nobody's label
  std::map<std::string, uint32_t> nodes = {{"", 0}};
  units[0] = 0;
  const auto block_of = [&](uint32_t node) {
    if (const uint32_t offset = units[node] >> 10; offset != 0) return node ^ offset;
    const auto block = static_cast<uint32_t>(units.size());
    units.resize(units.size() + 256, 0x80000000u);
    units[node] |= (node ^ block) << 10;
    return block;
  };
  for (const auto& [from, to] : rules) {
    uint32_t node = 0;
    for (std::size_t i = 1; i <= from.size(); ++i) {
      const auto byte = static_cast<unsigned char>(from[i - 1]);
      const auto [at, fresh] = nodes.insert({from.substr(0, i), block_of(node) ^ byte});
      node = at->second;
      if (fresh) units[node] = byte;
    }
    const uint32_t value = block_of(node);
    units[node] |= 0x100;
    units[value] = 0x80000000u | static_cast<uint32_t>(texts.size());
    texts += to + '\0';
  }
  std::string blob;
  const auto number = [&](uint32_t n) {
    for (int shift = 0; shift < 32; shift += 8) blob += static_cast<char>(n >> shift);
  };
  number(static_cast<uint32_t>(4 * units.size()));
  for (const uint32_t unit : units) number(unit);
  return blob + texts;
}

}  // namespace bessemer::tests
