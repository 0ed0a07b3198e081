// Pre-tokenization by any regular expression (tokenizer.json's "Split").
#include <algorithm>

#include "data/tokenizers/regex.h"
#include "data/tokenizers/split.h"

namespace bessemer::data {
namespace {

/// A part of the text: a match of the expression, or what lies between two.
struct Part {
  uint32_t end;
  bool match;
};

class RegexSplitter final : public Splitter {
 public:
  RegexSplitter(const std::string& expression, SplitBehavior behavior, bool invert)
      : regex_(expression), behavior_(behavior), invert_(invert) {}

  void split(std::string_view text, std::vector<uint32_t>& ends) const override {
    const auto all = parts(text);
    for (std::size_t i = 0; i < all.size(); ++i) {
      const bool last = i + 1 == all.size();
      if (last || !joined(all[i], all[i + 1])) ends.push_back(all[i].end);
    }
  }
  bool keep(std::string_view piece) const override {
    if (behavior_ != SplitBehavior::kRemoved) return true;
    const auto all = parts(piece);
    return !(all.size() == 1 && all.front().match);
  }
  std::size_t safe_cut(std::string_view) const override { return 0; }  // an expression may look as far as it likes

 private:
  std::vector<Part> parts(std::string_view text) const {
    std::vector<Part> all;
    Regex::Search search(regex_, text);
    std::size_t at = 0;
    for (std::size_t begin = 0, end = 0; search.next(begin, end); at = end) {
      if (begin > at) all.push_back({static_cast<uint32_t>(begin), invert_});
      if (end > begin) all.push_back({static_cast<uint32_t>(end), !invert_});
    }
    if (at < text.size()) all.push_back({static_cast<uint32_t>(text.size()), invert_});
    return all;
  }
  bool joined(const Part& left, const Part& right) const {
    switch (behavior_) {
      case SplitBehavior::kMergedWithPrevious: return right.match && !left.match;
      case SplitBehavior::kMergedWithNext: return left.match && !right.match;
      case SplitBehavior::kContiguous: return left.match == right.match;
      default: return false;
    }
  }
  Regex regex_;
  SplitBehavior behavior_;
  bool invert_;
};

}  // namespace

std::unique_ptr<Splitter> make_regex_splitter(const std::string& expression, SplitBehavior behavior, bool invert) {
  // Under these the patterns that are scanned by hand cover their text piece by piece, as isolated matches or what is
  // between none.
  const bool plain = behavior == SplitBehavior::kIsolated || (behavior == SplitBehavior::kRemoved && invert);
  for (const auto known : {SplitPattern::kGpt2, SplitPattern::kCl100k, SplitPattern::kQwen2}) {
    if (plain && expression == pattern_text(known)) return make_splitter(known);
  }
  return std::make_unique<RegexSplitter>(expression, behavior, invert);
}

}  // namespace bessemer::data
