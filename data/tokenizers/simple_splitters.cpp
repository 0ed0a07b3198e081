#include "data/tokenizers/simple_splitters.h"

#include <array>

#include "data/tokenizers/unicode.h"

namespace bessemer::data {
namespace {

constexpr uint32_t kNoCode = 0xFFFFFFFF;

/// Each character belongs to group 1 or 2 by its properties, else to 0; whether two neighbours are cut apart is told by
/// their groups alone. Sets of groups are bits.
struct Rule {
  uint16_t first = 0, second = 0;      ///< char_bits of groups 1 and 2
  uint32_t delimiter = kNoCode;        ///< a character of group 1
  std::array<uint8_t, 3> cut_after{};  ///< by the left group: the right groups that it is cut from
  uint8_t dropped = 0;                 ///< groups whose pieces are not kept
};

constexpr std::array<uint8_t, 3> kRuns = {0b110, 0b101, 0b011};
constexpr uint8_t kFirst = 0b010;

/// For a class of characters (group 1) and what lies between (group 0).
std::array<uint8_t, 3> cuts(SplitBehavior behavior) {
  switch (behavior) {
    case SplitBehavior::kIsolated: return {0b010, 0b011, 0};
    case SplitBehavior::kMergedWithPrevious: return {0, 0b011, 0};
    case SplitBehavior::kMergedWithNext: return {0b010, 0b010, 0};
    case SplitBehavior::kRemoved:
    case SplitBehavior::kContiguous: break;
  }
  return {0b010, 0b001, 0};
}

class GroupSplitter final : public Splitter {
 public:
  explicit GroupSplitter(const Rule& rule) : rule_(rule) {
    for (uint32_t code = 0; code < ascii_.size(); ++code) ascii_[code] = find_group(code);
  }

  void split(std::string_view text, std::vector<uint32_t>& ends) const override {
    if (text.empty()) return;
    const char *at = text.data(), *const end = at + text.size();
    uint8_t left = take_group(at);
    while (at != end) {
      const char* const here = at;
      const uint8_t right = take_group(at);
      if (cut(left, right)) ends.push_back(static_cast<uint32_t>(here - text.data()));
      left = right;
    }
    ends.push_back(static_cast<uint32_t>(text.size()));
  }

  bool keep(std::string_view piece) const override {
    const char* at = piece.data();
    return piece.empty() || !(rule_.dropped >> take_group(at) & 1);
  }

  // Behind an ASCII space or line end that is dropped: neither is part of a character, and no normalizer joins what
  // stands beside it. (The text may be cut within characters, and is not normalized yet.)
  std::size_t safe_cut(std::string_view text) const override {
    if (!(rule_.first & char_bit::kSpace) || !(rule_.dropped & kFirst)) return 0;
    const auto at = text.find_last_of(" \n");
    return at == std::string_view::npos ? 0 : at + 1;
  }

 private:
  bool cut(uint8_t left, uint8_t right) const { return rule_.cut_after[left] >> right & 1; }
  uint8_t find_group(uint32_t code) const {
    if (code == rule_.delimiter) return 1;
    const uint16_t bits = char_bits(code);
    if (bits & rule_.first) return 1;
    return bits & rule_.second ? 2 : 0;
  }
  uint8_t group(uint32_t code) const { return code < 128 ? ascii_[code] : find_group(code); }
  uint8_t take_group(const char*& at) const {
    const auto byte = static_cast<uint8_t>(*at);
    if (byte < 128) return ++at, ascii_[byte];
    return find_group(next_code(at));
  }

  Rule rule_;
  std::array<uint8_t, 128> ascii_{};  // groups
};

}  // namespace

std::unique_ptr<Splitter> make_bert_splitter() {
  Rule rule;
  rule.first = char_bit::kSpace, rule.second = char_bit::kPunctuation;
  rule.cut_after = {0b110, 0b101, 0b111};
  rule.dropped = kFirst;
  return std::make_unique<GroupSplitter>(rule);
}

std::unique_ptr<Splitter> make_whitespace_splitter() {
  Rule rule;
  rule.first = char_bit::kSpace, rule.second = char_bit::kWord;
  rule.cut_after = kRuns;
  rule.dropped = kFirst;
  return std::make_unique<GroupSplitter>(rule);
}

std::unique_ptr<Splitter> make_whitespace_only_splitter() {
  Rule rule;
  rule.first = char_bit::kSpace;
  rule.cut_after = cuts(SplitBehavior::kRemoved);
  rule.dropped = kFirst;
  return std::make_unique<GroupSplitter>(rule);
}

std::unique_ptr<Splitter> make_punctuation_splitter(SplitBehavior behavior) {
  Rule rule;
  rule.first = char_bit::kPunctuation;
  rule.cut_after = cuts(behavior);
  rule.dropped = behavior == SplitBehavior::kRemoved ? kFirst : uint8_t{0};
  return std::make_unique<GroupSplitter>(rule);
}

std::unique_ptr<Splitter> make_digits_splitter(bool individual) {
  Rule rule;
  rule.first = char_bit::kNumeric;
  rule.cut_after = cuts(individual ? SplitBehavior::kIsolated : SplitBehavior::kContiguous);
  return std::make_unique<GroupSplitter>(rule);
}

std::unique_ptr<Splitter> make_delimiter_splitter(uint32_t code) {
  Rule rule;
  rule.delimiter = code;
  rule.cut_after = cuts(SplitBehavior::kRemoved);
  rule.dropped = kFirst;
  return std::make_unique<GroupSplitter>(rule);
}

}  // namespace bessemer::data
