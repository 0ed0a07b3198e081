#include "parallel/exact_sum.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cmath>
#include <limits>

namespace bessemer::parallel {
namespace {
constexpr int kPoint = 1088;                    // bit 0 of limb 0 is worth 2^-1088
constexpr int64_t kMaxAdds = int64_t{1} << 30;  // then limbs stay below 2^63
constexpr int64_t kLow = (int64_t{1} << 32) - 1;
}  // namespace

void ExactSum::add(double value) {
  const auto bits = std::bit_cast<uint64_t>(value);
  const int exponent = static_cast<int>((bits >> 52) & 0x7ff);
  uint64_t mantissa = bits & ((uint64_t{1} << 52) - 1);
  const bool negative = (bits >> 63) != 0;
  if (exponent == 0x7ff) {
    ++(mantissa != 0 ? nans_ : negative ? negative_infinities_ : positive_infinities_);
    return;
  }
  if (exponent != 0) mantissa |= uint64_t{1} << 52;
  const int position = (exponent == 0 ? 1 : exponent) - 1075 + kPoint;  // of the mantissa's lowest bit
  const auto shifted = static_cast<unsigned __int128>(mantissa) << (position % 32);
  const auto limb = static_cast<std::size_t>(position / 32);
  for (std::size_t i = 0; i < 3; ++i) {
    const auto part = static_cast<int64_t>(static_cast<uint32_t>(shifted >> (32 * i)));
    limbs_[limb + i] += negative ? -part : part;
  }
  if (++adds_ == kMaxAdds) carry();
}

void ExactSum::add(const ExactSum& other) {
  ExactSum carried = other;
  carried.carry();
  if (adds_ >= kMaxAdds - 1) carry();
  for (std::size_t i = 0; i < kLimbs; ++i) limbs_[i] += carried.limbs_[i];
  positive_infinities_ += other.positive_infinities_;
  negative_infinities_ += other.negative_infinities_;
  nans_ += other.nans_;
  ++adds_;
}

void ExactSum::carry() {
  int64_t over = 0;
  for (std::size_t i = 0; i + 1 < kLimbs; ++i) {
    const int64_t sum = limbs_[i] + over;
    limbs_[i] = sum & kLow;
    over = sum >> 32;  // rounds towards minus infinity: what stays is never negative
  }
  limbs_.back() += over;
  adds_ = 0;
}

double ExactSum::value() const {
  if (nans_ != 0 || (positive_infinities_ != 0 && negative_infinities_ != 0))
    return std::numeric_limits<double>::quiet_NaN();
  if (positive_infinities_ != 0) return std::numeric_limits<double>::infinity();
  if (negative_infinities_ != 0) return -std::numeric_limits<double>::infinity();
  ExactSum magnitude = *this;
  magnitude.carry();
  const bool negative = magnitude.limbs_.back() < 0;
  if (negative) {
    for (auto& limb : magnitude.limbs_) limb = -limb;
    magnitude.carry();
  }
  const auto& limbs = magnitude.limbs_;
  int top = kLimbs - 1;
  while (top >= 0 && limbs[static_cast<std::size_t>(top)] == 0) --top;
  if (top < 0) return 0.0;
  const auto bit = [&](int at) { return (limbs[static_cast<std::size_t>(at / 32)] >> (at % 32)) & 1; };
  const int highest =
      32 * top + static_cast<int>(std::bit_width(static_cast<uint64_t>(limbs[static_cast<std::size_t>(top)]))) - 1;
  const int lowest = std::max(highest - 52, kPoint - 1074);  // of the result's mantissa; nothing lies below 2^-1074
  int64_t mantissa = 0;
  for (int at = highest; at >= lowest; --at) mantissa = 2 * mantissa + bit(at);
  bool tie = true;  // nothing under the rounding bit
  for (int at = lowest - 2; at >= 0 && tie; --at) tie = bit(at) == 0;
  if (bit(lowest - 1) == 1 && (!tie || (mantissa & 1) == 1)) ++mantissa;
  const double result = std::ldexp(static_cast<double>(mantissa), lowest - kPoint);
  return negative ? -result : result;
}

std::array<int64_t, ExactSum::kWords> ExactSum::words() const {
  ExactSum carried = *this;
  carried.carry();
  std::array<int64_t, kWords> words{};
  for (std::size_t i = 0; i < kLimbs; ++i) words[i] = carried.limbs_[i];
  words[kLimbs] = positive_infinities_;
  words[kLimbs + 1] = negative_infinities_;
  words[kLimbs + 2] = nans_;
  return words;
}

ExactSum ExactSum::from_words(std::span<const int64_t> words) {
  assert(words.size() == static_cast<std::size_t>(kWords));
  ExactSum sum;
  for (std::size_t i = 0; i < kLimbs; ++i) sum.limbs_[i] = words[i];
  sum.positive_infinities_ = words[kLimbs];
  sum.negative_infinities_ = words[kLimbs + 1];
  sum.nans_ = words[kLimbs + 2];
  sum.carry();
  return sum;
}

}  // namespace bessemer::parallel
