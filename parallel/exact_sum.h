#pragma once
#include <array>
#include <cstdint>
#include <span>

namespace bessemer::parallel {

/// The exact sum of doubles: a fixed-point number wide enough for any of them, so that the order, and with it the
/// number of ranks, cannot change a bit. Loss sums, token counts and norms go through it; ranks add their limbs as int64.
/// Source: Kulisch's long accumulator. inf and nan are remembered and come back as such.
class ExactSum {
 public:
  static constexpr int kLimbs = 70;  ///< 32 bits of value each, from 2^-1088 up to 2^1152
  void add(double value);
  void add(const ExactSum& other);
  double value() const;  ///< rounded once, to nearest

  /// As int64 words that may be summed element by element over ranks; then `from_words`.
  std::array<int64_t, kLimbs + 2> words() const;
  static ExactSum from_words(std::span<const int64_t> words);

 private:
  void carry();
  std::array<int64_t, kLimbs> limbs_{};
  int64_t infinities_ = 0;  ///< signed count would cancel: positive ones minus negative ones is kept beside the nans
  int64_t nans_ = 0;
  int adds_ = 0;
};

}  // namespace bessemer::parallel
