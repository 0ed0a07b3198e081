#include "data/tokenizers/split.h"

#include <algorithm>

#include "data/tokenizers/unicode.h"

namespace bessemer::data {
namespace {

constexpr std::string_view kGpt2 = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
constexpr std::string_view kCl100k =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kQwen2 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

constexpr uint8_t kEnd = 255;  ///< the class of what is behind the text

/// A place in a text: character by character, ASCII by a table.
class Cursor {
 public:
  explicit Cursor(std::string_view text) : begin_(text.data()), end_(begin_ + text.size()), at_(begin_) {}
  bool done() const { return at_ == end_; }
  uint32_t place() const { return static_cast<uint32_t>(at_ - begin_); }
  char byte(std::ptrdiff_t ahead = 0) const { return at_ + ahead < end_ ? at_[ahead] : '\0'; }
  void skip(std::ptrdiff_t bytes) { at_ += bytes; }

  /// Class of the character `ahead` bytes on, and its length; kEnd behind the last.
  struct Character {
    uint8_t of;
    int length;
  };
  Character look(std::ptrdiff_t ahead = 0) const {
    if (at_ + ahead >= end_) return {kEnd, 0};
    const auto byte = static_cast<unsigned char>(at_[ahead]);
    if (byte < 0x80) return {kAsciiClass[byte], 1};
    const char* next = at_ + ahead;
    const uint8_t of = wide_char_class(next_code(next));
    return {of, static_cast<int>(next - at_ - ahead)};
  }
  void run(uint8_t of) {
    for (;;) {
      while (at_ != end_ && static_cast<unsigned char>(*at_) < 0x80 &&
             kAsciiClass[static_cast<unsigned char>(*at_)] == of)
        ++at_;
      if (at_ == end_ || static_cast<unsigned char>(*at_) < 0x80) return;
      const Character c = look();
      if (c.of != of) return;
      at_ += c.length;
    }
  }
  /// \s+(?!\S)|\s+ : white space up to its last character, if a word follows, for that one belongs to the word.
  void white_space() {
    const char* last = at_;
    const char* const first = at_;
    for (Character c = look(); c.of == kSpace; c = look()) last = at_, at_ += c.length;
    if (at_ != end_ && last != first) at_ = last;
  }

 private:
  const char* begin_;
  const char* end_;
  const char* at_;
};

/// Bytes of 's, 't, 're, 've, 'm, 'll or 'd at the cursor; 0: none. `fold`: in either case, with the long s (U+017F).
int contraction(const Cursor& c, bool fold) {
  if (c.byte() != '\'') return 0;
  const auto low = [&](std::ptrdiff_t i) {
    return fold && c.byte(i) >= 'A' && c.byte(i) <= 'Z' ? static_cast<char>(c.byte(i) + 32) : c.byte(i);
  };
  const char first = low(1), second = low(2);
  if (first == 's' || first == 't' || first == 'm' || first == 'd') return 2;
  if ((first == 'r' || first == 'v') && second == 'e') return 3;
  if (first == 'l' && second == 'l') return 3;
  return fold && c.byte(1) == '\xC5' && c.byte(2) == '\xBF' ? 3 : 0;
}

struct Gpt2 {
  static void piece(Cursor& c) {
    if (const int bytes = contraction(c, false)) return c.skip(bytes);
    const bool space = c.byte() == ' ';
    const auto next = c.look(space ? 1 : 0);
    if (next.of == kSpace || next.of == kEnd) return c.white_space();
    c.skip(next.length + (space ? 1 : 0));
    c.run(next.of);
  }
};

template <int kDigits>
struct Cl100k {
  static bool newline(char c) { return c == '\n' || c == '\r'; }
  static void piece(Cursor& c) {
    if (const int bytes = contraction(c, true)) return c.skip(bytes);
    const auto first = c.look();
    if (first.of == kNumber) return digits(c);
    if (first.of == kLetter) return c.run(kLetter);
    const auto second = c.look(first.length);
    if (second.of == kLetter && !newline(c.byte())) {
      c.skip(first.length + second.length);
      return c.run(kLetter);
    }
    if (first.of == kOther) return others(c, 0);
    if (c.byte() == ' ' && second.of == kOther) return others(c, 1);
    if (!up_to_last_newline(c)) c.white_space();
  }
  static void digits(Cursor& c) {
    for (int i = 0; i < kDigits; ++i) {
      const auto next = c.look();
      if (next.of != kNumber) return;
      c.skip(next.length);
    }
  }
  static void others(Cursor& c, int spaces) {
    c.skip(spaces);
    c.run(kOther);
    while (newline(c.byte())) c.skip(1);
  }
  /// \s*[\r\n]+
  static bool up_to_last_newline(Cursor& c) {
    Cursor ahead = c;
    bool found = false;
    for (auto next = ahead.look(); next.of == kSpace; next = ahead.look()) {
      const bool line = newline(ahead.byte());
      ahead.skip(next.length);
      if (line) c = ahead, found = true;
    }
    return found;
  }
};

/// A cut before a single space between two characters that are no white space: no piece of these patterns crosses it,
/// and neither side looks beyond it.
std::size_t cut_before_a_word(std::string_view text) {
  const auto plain = [](char c) { return static_cast<unsigned char>(c) > ' ' && static_cast<unsigned char>(c) < 0x7F; };
  for (std::size_t at = text.size(); at-- > 2;) {
    if (text[at - 1] == ' ' && plain(text[at]) && plain(text[at - 2])) return at - 1;
  }
  return 0;
}

template <typename Pattern>
class Scanner final : public Splitter {
 public:
  void split(std::string_view text, std::vector<uint32_t>& ends) const override {
    for (Cursor c(text); !c.done();) {
      Pattern::piece(c);
      ends.push_back(c.place());
    }
  }
  std::size_t safe_cut(std::string_view text) const override { return cut_before_a_word(text); }
};

class Sequence final : public Splitter {
 public:
  explicit Sequence(std::vector<std::unique_ptr<Splitter>> splitters) : splitters_(std::move(splitters)) {}
  void split(std::string_view text, std::vector<uint32_t>& ends) const override {
    std::vector<uint32_t> pieces{static_cast<uint32_t>(text.size())}, next, inner;
    for (const auto& splitter : splitters_) {
      next.clear();
      uint32_t begin = 0;
      for (const uint32_t end : pieces) {
        inner.clear();
        if (keep_until(splitter.get(), text.substr(begin, end - begin)))
          splitter->split(text.substr(begin, end - begin), inner);
        else
          inner.push_back(end - begin);
        for (const uint32_t at : inner) next.push_back(begin + at);
        begin = end;
      }
      pieces.swap(next);
    }
    ends.insert(ends.end(), pieces.begin(), pieces.end());
  }
  bool keep(std::string_view piece) const override { return keep_until(nullptr, piece); }
  // A cut that is safe for one of them may fall inside of a piece of another.
  std::size_t safe_cut(std::string_view) const override { return 0; }

 private:
  bool keep_until(const Splitter* stop, std::string_view piece) const {
    for (const auto& splitter : splitters_) {
      if (splitter.get() == stop) break;
      if (!splitter->keep(piece)) return false;
    }
    return true;
  }
  std::vector<std::unique_ptr<Splitter>> splitters_;
};

}  // namespace

std::string pattern_text(SplitPattern pattern) {
  return std::string(pattern == SplitPattern::kGpt2 ? kGpt2 : pattern == SplitPattern::kCl100k ? kCl100k : kQwen2);
}

std::unique_ptr<Splitter> make_splitter(SplitPattern pattern) {
  switch (pattern) {
    case SplitPattern::kGpt2: return std::make_unique<Scanner<Gpt2>>();
    case SplitPattern::kCl100k: return std::make_unique<Scanner<Cl100k<3>>>();
    case SplitPattern::kQwen2: break;
  }
  return std::make_unique<Scanner<Cl100k<1>>>();
}

std::unique_ptr<Splitter> make_sequence_splitter(std::vector<std::unique_ptr<Splitter>> splitters) {
  if (splitters.size() == 1) return std::move(splitters.front());
  return std::make_unique<Sequence>(std::move(splitters));
}

}  // namespace bessemer::data
