#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace bessemer::data {

/// Words (any bytes) and how often each occurs, one behind another in memory.
class WordCounts {
 public:
  /// \param word  not added before.
  void add(std::string_view word, uint64_t count) {
    bytes_ += word;
    ends_.push_back(bytes_.size());
    counts_.push_back(count);
  }
  std::size_t size() const { return counts_.size(); }
  std::size_t bytes() const { return bytes_.size(); }  ///< of all words together
  std::string_view word(std::size_t i) const {
    const std::size_t begin = i == 0 ? 0 : ends_[i - 1];
    return {bytes_.data() + begin, ends_[i] - begin};
  }
  uint64_t count(std::size_t i) const { return counts_[i]; }

 private:
  std::string bytes_;
  std::vector<std::size_t> ends_;
  std::vector<uint64_t> counts_;
};

}  // namespace bessemer::data
