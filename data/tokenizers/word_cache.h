#pragma once
#include <array>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

namespace bessemer::data {

/// Words of up to 24 bytes and their ids, so that a frequent word is not tokenized again: one cache line an entry, two
/// places for a word, the newer one first. For one thread.
class WordCache {
 public:
  struct Key {
    std::array<uint64_t, 3> words;
    uint8_t length = 0;  ///< 0: too long to be kept
  };
  static constexpr std::size_t kLongest = 24, kMostIds = 9;

  /// \param readable  bytes that may be read from the word's first on.
  static Key key(std::string_view word, std::size_t readable) {
    Key key{};
    const std::size_t n = word.size();
    if (n > kLongest) return key;
    if (readable >= kLongest) {
      std::memcpy(key.words.data(), word.data(), kLongest);
      key.words[0] &= mask(n), key.words[1] &= mask(n < 8 ? 0 : n - 8), key.words[2] &= mask(n < 16 ? 0 : n - 16);
    } else {
      std::memcpy(key.words.data(), word.data(), n);
    }
    key.length = static_cast<uint8_t>(n);
    return key;
  }

  /// Empty: not here.
  std::span<const uint32_t> find(const Key& key) const {
    const Entry* entry = &entries_[2 * place(key)];
    for (int way = 0; way < 2; ++way, ++entry) {
      if (entry->words == key.words && entry->length == key.length) return {entry->ids.data(), entry->count};
    }
    return {};
  }
  void add(const Key& key, std::span<const uint32_t> ids) {
    if (key.length == 0 || ids.empty() || ids.size() > kMostIds) return;
    Entry* entry = &entries_[2 * place(key)];
    entry[1] = entry[0];
    entry[0].words = key.words, entry[0].length = key.length;
    entry[0].count = static_cast<uint8_t>(ids.size());
    std::memcpy(entry[0].ids.data(), ids.data(), ids.size_bytes());
  }

 private:
  struct alignas(64) Entry {
    std::array<uint64_t, 3> words;
    std::array<uint32_t, kMostIds> ids;
    uint8_t length, count;
  };
  static_assert(sizeof(Entry) == 64, "one cache line");
  static uint64_t mask(std::size_t bytes) { return bytes >= 8 ? ~uint64_t{0} : (uint64_t{1} << 8 * bytes) - 1; }
  static std::size_t place(const Key& key) {
    uint64_t h =
        key.words[0] * 0x9E3779B97F4A7C15u ^ key.words[1] * 0xC2B2AE3D27D4EB4Fu ^ key.words[2] * 0x165667B19E3779F9u;
    h ^= h >> 29;
    return (h * 0xBF58476D1CE4E5B9u) >> (64 - kBits);
  }
  static constexpr int kBits = 15;
  std::vector<Entry> entries_ = std::vector<Entry>(std::size_t{2} << kBits);
};

}  // namespace bessemer::data
