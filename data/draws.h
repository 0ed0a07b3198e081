#pragma once
#include <array>
#include <cstdint>

#include "parallel/random.h"

namespace bessemer::data {

/// Random numbers one after another, of a stream that a key names: what is left to chance in one row.
class Draws {
 public:
  /// \param use  streams of one key for several uses share no number.
  Draws(uint64_t key, uint32_t use) : key_{static_cast<uint32_t>(key), static_cast<uint32_t>(key >> 32)}, use_(use) {}
  uint32_t word() {
    if (at_ == 4) words_ = parallel::philox({counter_++, 0, 0, use_}, key_), at_ = 0;
    return words_[at_++];
  }
  double uniform() { return word() * 0x1p-32; }  ///< [0, 1)
  /// [0, n), n >= 1
  int64_t below(int64_t n) {
    constexpr int64_t kFine = int64_t{1} << 24;  // beyond, 32 bits would prefer some
    if (n <= kFine) return static_cast<int64_t>(uint64_t{word()} * static_cast<uint64_t>(n) >> 32);
    const uint64_t high = word(), all = high << 32 | word();
    return static_cast<int64_t>(static_cast<unsigned __int128>(all) * static_cast<uint64_t>(n) >> 64);
  }

 private:
  std::array<uint32_t, 2> key_;
  uint32_t use_;
  std::array<uint32_t, 4> words_{};
  uint32_t counter_ = 0;
  std::size_t at_ = 4;
};

}  // namespace bessemer::data
