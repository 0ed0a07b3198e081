#pragma once
#include <array>
#include <cstdint>
#include <span>

namespace bessemer::parallel {

/// The exact sum of doubles: a fixed-point number wide enough for any of them, so that the order, and with it the
/// number of ranks, cannot change a bit. Loss sums, token counts and norms go through it; ranks add their limbs as
/// int64. Source: Kulisch's long accumulator. inf and nan are remembered and come back as such.
class ExactSum {
 public:
  static constexpr int kLimbs = 70;          ///< 32 bits of value each, from 2^-1088 up to 2^1152
  static constexpr int kWords = kLimbs + 3;  ///< and the counts of +inf, -inf and nan
  void add(double value);
  void add(const ExactSum& other);
  double value() const;  ///< rounded once, to nearest even

  /// As int64 words that may be summed element by element over up to 2^30 ranks; then `from_words`.
  std::array<int64_t, kWords> words() const;
  static ExactSum from_words(std::span<const int64_t> words);

 private:
  void carry();
  std::array<int64_t, kLimbs> limbs_{};  ///< two's complement: after carry() all but the last are in [0, 2^32)
  int64_t positive_infinities_ = 0;
  int64_t negative_infinities_ = 0;
  int64_t nans_ = 0;
  int64_t adds_ = 0;  ///< since the last carry: each adds less than 2^32 to a limb
};

}  // namespace bessemer::parallel
