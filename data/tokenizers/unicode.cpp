#include "data/tokenizers/unicode.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <span>
#include <vector>

#include "data/tokenizers/unicode_tables.h"
#include "data/utf8.h"

namespace bessemer::data {
namespace {

constexpr uint32_t kBlock = 128;
constexpr uint32_t kDottedI = 0x130;

struct Property {
  std::span<const uint32_t> runs;
  uint16_t bit;
};
constexpr Property kProperties[] = {{tables::kLetter, char_bit::kLetter},
                                    {tables::kNumber, char_bit::kNumber},
                                    {tables::kSpace, char_bit::kSpace},
                                    {tables::kWord, char_bit::kWord},
                                    {tables::kNumeric, char_bit::kNumeric},
                                    {tables::kMark, char_bit::kMark},
                                    {tables::kPunctuation, char_bit::kPunctuation},
                                    {tables::kBertRemoved, char_bit::kBertRemoved},
                                    {tables::kBertMark, char_bit::kBertMark},
                                    {tables::kBertHan, char_bit::kBertHan},
                                    {tables::kActive, char_bit::kActive}};

/// The bits of every code point: equal blocks of 128 are kept once.
class BitTable {
 public:
  BitTable() {
    std::vector<uint16_t> all(kCodePoints);
    for (const auto& [runs, bit] : kProperties) mark(runs, bit, all);
    for (const auto& run : tables::kLower) {
      for (uint32_t i = 0; i < run.count; ++i) all[run.first + i * run.step] |= char_bit::kUpper;
    }
    all[kDottedI] |= char_bit::kUpper;
    fold(all);
  }
  uint16_t operator[](uint32_t code) const { return blocks_[place_[code / kBlock] * kBlock + code % kBlock]; }

 private:
  static void mark(std::span<const uint32_t> runs, uint16_t bit, std::vector<uint16_t>& all) {
    uint32_t code = 0;
    for (std::size_t i = 0; i + 1 < runs.size(); i += 2) {
      code += runs[i];
      for (uint32_t left = runs[i + 1]; left > 0; --left) all[code++] |= bit;
    }
  }
  void fold(const std::vector<uint16_t>& all) {
    std::map<std::vector<uint16_t>, uint16_t> places;
    for (auto at = all.begin(); at != all.end(); at += kBlock) {
      if (at != all.begin() && std::equal(at, at + kBlock, at - kBlock)) {
        place_.push_back(place_.back());
        continue;
      }
      const auto [place, added] = places.try_emplace(std::vector<uint16_t>(at, at + kBlock), places.size());
      if (added) blocks_.insert(blocks_.end(), at, at + kBlock);
      place_.push_back(place->second);
    }
  }
  std::vector<uint16_t> place_, blocks_;
};

const BitTable& table() {
  static const BitTable bits;
  return bits;
}

uint32_t lower(uint32_t code) {
  const auto* run = std::upper_bound(std::begin(tables::kLower), std::end(tables::kLower), code,
                                     [](uint32_t value, const tables::LowerRun& r) { return value < r.first; });
  // Runs of every second code point lie within each other, so the one that holds `code` is not always the last before
  // it.
  while (run != std::begin(tables::kLower)) {
    --run;
    const uint32_t past = code - run->first;
    if (past % run->step == 0 && past / run->step < run->count) return code + static_cast<uint32_t>(run->delta);
  }
  return code;
}

}  // namespace

uint16_t char_bits(uint32_t code) { return code < kCodePoints ? table()[code] : uint16_t{0}; }

uint8_t wide_char_class(uint32_t code) {
  const uint16_t bits = char_bits(code);
  if (bits & char_bit::kLetter) return kLetter;
  if (bits & char_bit::kNumber) return kNumber;
  return bits & char_bit::kSpace ? kSpace : kOther;
}

void append_lower(uint32_t code, std::string& out) {
  if (code < 128) {
    out.push_back(static_cast<char>(code - 'A' < 26 ? code + 32 : code));
  } else if (code == kDottedI) {
    out += "i\u0307";
  } else {
    append_utf8(char_bits(code) & char_bit::kUpper ? lower(code) : code, out);
  }
}

}  // namespace bessemer::data
