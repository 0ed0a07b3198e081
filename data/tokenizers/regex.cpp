#define PCRE2_CODE_UNIT_WIDTH 8
#include "data/tokenizers/regex.h"

#include <pcre2.h>

#include <algorithm>
#include <cctype>

#include "data/tokenizers/unicode.h"
#include "data/tokenizers/unicode_tables.h"
#include "parallel/error.h"

namespace bessemer::data {
namespace {

std::string words_for(int error) {
  PCRE2_UCHAR buffer[256];
  return pcre2_get_error_message(error, buffer, sizeof buffer) < 0 ? "unknown error"
                                                                   : reinterpret_cast<const char*>(buffer);
}

/// An expression in Oniguruma's syntax, which Hugging Face uses, as PCRE2 reads it: classes are Oniguruma's, of Unicode
/// 16; what the two read differently is refused.
class Translation {
 public:
  explicit Translation(std::string_view expression) : from_(expression) {
    while (at_ < from_.size()) {
      switch (from_[at_]) {
        case '\\': escape(); break;
        case '[': open(); break;
        case ']': in_class_ = false, take(1); break;
        case '}': interval(); break;
        case '(': group(); break;
        case '&': check(!in_class_ || next(1) != '&', "an intersection of classes"), take(1); break;
        default: take(1);
      }
    }
  }
  const std::string& text() const { return to_; }

 private:
  char next(std::size_t ahead) const { return at_ + ahead < from_.size() ? from_[at_ + ahead] : '\0'; }
  void take(std::size_t n) {
    to_ += from_.substr(at_, n);
    at_ += n;
  }
  void check(bool known, const char* what) const {
    BESSEMER_CHECK_DATA(known, "regular expression '", from_, "' at byte ", at_, ": ", what, " is not known here");
  }
  static std::string newer(std::string_view name) {
    for (const auto& entry : tables::kNewer) {
      if (name == entry.name) return entry.ranges;
    }
    return "";
  }
  void open() {
    if (in_class_) {
      check(next(1) == ':', "a class within a class");
      return take(std::min(from_.find(":]", at_), from_.size() - 2) + 2 - at_);
    }
    in_class_ = true;
    take(1);
    if (next(0) == '^') take(1);
    if (next(0) == ']') take(1);  // stands for itself there
  }
  void interval() {
    take(1);
    check(in_class_ || next(0) != '+', "an interval with + (repeated there, possessive in PCRE2)");
  }
  void group() {
    std::size_t end = at_ + 2;
    if (!in_class_ && next(1) == '?') {
      for (; end < from_.size() && (std::islower(static_cast<unsigned char>(from_[end])) || from_[end] == '-'); ++end)
        check(from_[end] != 'm' && from_[end] != 's', "the option m or s");
    }
    take(1);
  }
  /// A class of characters, by its parts within [].
  void give(const std::string& parts, bool negated) {
    check(!in_class_ || !negated, "a negated class within a class");
    to_ += in_class_ ? parts : (negated ? "[^" : "[") + parts + "]";
  }
  void escape() {
    const char letter = next(1);
    if (letter == 'p' || letter == 'P') return property(letter == 'P');
    if (letter == 'x' && next(2) == '{') return take(std::min(from_.find('}', at_), from_.size() - 1) + 1 - at_);
    const std::size_t known = std::string_view("sSwWhHdD").find(letter);
    if (known == std::string_view::npos) return take(2);
    // Alone, though not within a class, \w also takes six signs of Latin-1.
    const std::string parts[] = {
        "\\p{White_Space}",
        "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}" + newer("w") + (in_class_ ? "" : "\\xB2\\xB3\\xB9\\xBC-\\xBE"),
        "0-9a-fA-F", "\\p{Nd}" + newer("Nd")};
    if (letter == 'S') {
      to_ += "\\P{White_Space}";
    } else {
      give(parts[known / 2], known % 2);
    }
    at_ += 2;
  }
  void property(bool negated) {
    const std::size_t end = from_.find('}', at_);
    const std::string more =
        next(2) == '{' && end != std::string_view::npos ? newer(from_.substr(at_ + 3, end - at_ - 3)) : "";
    const std::size_t length = next(2) == '{' && end != std::string_view::npos ? end + 1 - at_ : 2;
    if (more.empty()) return take(length);
    give("\\p" + std::string(from_.substr(at_ + 2, length - 2)) + more, negated);
    at_ += length;
  }

  std::string_view from_;
  std::string to_;
  std::size_t at_ = 0;
  bool in_class_ = false;
};

template <auto free>
struct Free {
  template <class T>
  void operator()(T* owned) const {
    free(owned);
  }
};

}  // namespace

struct Regex::Code {
  std::unique_ptr<pcre2_code, Free<pcre2_code_free>> compiled;
};

struct Regex::Search::Data {
  std::unique_ptr<pcre2_match_data, Free<pcre2_match_data_free>> match;
};

Regex::Regex(const std::string& expression) : expression_(expression), code_(std::make_unique<Code>()) {
  const std::unique_ptr<pcre2_compile_context, Free<pcre2_compile_context_free>> context(
      pcre2_compile_context_create(nullptr));
  BESSEMER_CHECK_ENV(context, "no memory for a regular expression");
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  int error = 0;
  PCRE2_SIZE place = 0;
  const std::string translated = Translation(expression_).text();
  const uint32_t options = PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C;
  code_->compiled.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()), translated.size(), options,
                                      &error, &place, context.get()));
  BESSEMER_CHECK_DATA(code_->compiled, "regular expression '", expression_, "' at byte ", place, ": ",
                      words_for(error));
  pcre2_jit_compile(code_->compiled.get(), PCRE2_JIT_COMPLETE);  // without it, pcre2_match interprets
}

Regex::Regex(Regex&&) noexcept = default;
Regex::~Regex() = default;

Regex::Search::Search(const Regex& regex, std::string_view valid_utf8)
    : regex_(regex), text_(valid_utf8), data_(std::make_unique<Data>()) {
  data_->match.reset(pcre2_match_data_create_from_pattern(regex.code_->compiled.get(), nullptr));
  BESSEMER_CHECK_ENV(data_->match, "no memory to search for a regular expression");
}

Regex::Search::~Search() = default;

bool Regex::Search::find() {
  const auto match = [&](uint32_t options) {
    return pcre2_match(regex_.code_->compiled.get(), reinterpret_cast<PCRE2_SPTR>(text_.data()), text_.size(), from_,
                       options, data_->match.get(), nullptr);
  };
  int result = match(PCRE2_NO_UTF_CHECK);
  if (result == PCRE2_ERROR_JIT_STACKLIMIT) result = match(PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT);  // takes heap instead
  BESSEMER_CHECK_DATA(result >= 0 || result == PCRE2_ERROR_NOMATCH, "regular expression '", regex_.expression_,
                      "' gave up on a text of ", text_.size(), " bytes: ", words_for(result));
  return result >= 0;
}

bool Regex::Search::next(std::size_t& begin, std::size_t& end) {
  while (from_ <= text_.size() && find()) {
    const PCRE2_SIZE* const place = pcre2_get_ovector_pointer(data_->match.get());
    begin = place[0], end = place[1];
    BESSEMER_CHECK_DATA(begin <= end && begin >= from_, "regular expression '", regex_.expression_,
                        "' matches before its start (\\K in a lookaround): not supported");
    if (begin == end && end == last_end_) {
      if (from_ == text_.size()) break;
      const char* at = text_.data() + from_;
      next_code(at);
      from_ = static_cast<std::size_t>(at - text_.data());
      continue;
    }
    from_ = last_end_ = end;
    return true;
  }
  return false;
}

}  // namespace bessemer::data
