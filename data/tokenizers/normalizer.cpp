#include "data/tokenizers/normalizer.h"

#include <string_view>
#include <utility>

#include "data/tokenizers/regex.h"
#include "data/tokenizers/unicode.h"

namespace bessemer::data {
namespace {

/// Where the first character outside ASCII stands; the end where there is none.
std::size_t ascii_length(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size() && static_cast<signed char>(text[at]) >= 0) ++at;
  return at;
}

class Form final : public Normalizer {
 public:
  explicit Form(NormalForm form) : form_(form) {}
  void apply(std::string& text) const override {
    if (ascii_length(text) < text.size()) to_normal_form(text, form_);
  }

 private:
  NormalForm form_;
};

class Lowercase final : public Normalizer {
 public:
  void apply(std::string& text) const override {
    const std::size_t plain = ascii_length(text);
    for (std::size_t i = 0; i < plain; ++i)
      text[i] = static_cast<char>(text[i] + (text[i] >= 'A' && text[i] <= 'Z') * 32);
    if (plain == text.size()) return;
    std::string out(text, 0, plain);
    out.reserve(text.size());
    for (const char *at = text.data() + plain, *end = text.data() + text.size(); at != end;)
      append_lower(next_code(at), out);
    text.swap(out);
  }
};

class StripAccents final : public Normalizer {
 public:
  void apply(std::string& text) const override {
    char* written = text.data() + ascii_length(text);
    for (const char *at = written, *end = text.data() + text.size(); at != end;) {
      const char* const here = at;
      if (!is_mark(next_code(at))) written = std::copy(here, at, written);
    }
    text.resize(static_cast<std::size_t>(written - text.data()));
  }
};

class Strip final : public Normalizer {
 public:
  Strip(bool left, bool right) : left_(left), right_(right) {}
  void apply(std::string& text) const override {
    const char *begin = text.data(), *end = begin + text.size();
    for (const char* at = begin; left_ && at != end && is_space(next_code(at));) begin = at;
    for (const char* at = end; right_ && at != begin && is_space(previous_code(at));) end = at;
    text.assign(begin, end);
  }

 private:
  bool left_, right_;
};

class Prepend final : public Normalizer {
 public:
  explicit Prepend(std::string text) : front_(std::move(text)) {}
  void apply(std::string& text) const override {
    if (!text.empty()) text.insert(0, front_);
  }

 private:
  std::string front_;
};

class Replace final : public Normalizer {
 public:
  Replace(std::string pattern, std::string content) : pattern_(std::move(pattern)), content_(std::move(content)) {}
  void apply(std::string& text) const override {
    std::size_t found = text.find(pattern_);
    if (found == std::string::npos || text.empty()) return;
    std::string out;
    std::size_t copied = 0;
    for (; found != std::string::npos; found = text.find(pattern_, copied)) {
      out.append(text, copied, found - copied).append(content_);
      copied = found + pattern_.size();
    }
    text = out.append(text, copied);
  }

 private:
  std::string pattern_, content_;
};

class RegexReplace final : public Normalizer {
 public:
  RegexReplace(const std::string& expression, std::string content) : regex_(expression), content_(std::move(content)) {}
  void apply(std::string& text) const override {
    if (text.empty()) return;
    std::string out;
    std::size_t copied = 0;
    Regex::Search search(regex_, text);
    for (std::size_t begin = 0, end = 0; search.next(begin, end);) {
      out.append(text, copied, begin - copied).append(content_);
      copied = end;
    }
    text = out.append(text, copied);
  }

 private:
  Regex regex_;
  std::string content_;
};

class Nmt final : public Normalizer {
 public:
  void apply(std::string& text) const override {
    std::string out;
    out.reserve(text.size());
    for (const char *at = text.data(), *end = at + text.size(); at != end;) {
      const uint32_t code = next_code(at);
      if (!removed(code)) append_utf8(space(code) ? ' ' : code, out);
    }
    text.swap(out);
  }

 private:
  static bool removed(uint32_t code) {
    return (code >= 0x01 && code <= 0x08) || code == 0x0B || (code >= 0x0E && code <= 0x1F) || code == 0x7F ||
           code == 0x8F || code == 0x9F;
  }
  static bool space(uint32_t code) {
    return code == 0x09 || code == 0x0A || code == 0x0C || code == 0x0D || code == 0x1680 ||
           (code >= 0x200B && code <= 0x200F) || code == 0x2028 || code == 0x2029 || code == 0x2581 || code == 0xFEFF ||
           code == 0xFFFD;
  }
};

class Sequence final : public Normalizer {
 public:
  explicit Sequence(std::vector<std::unique_ptr<Normalizer>> all) : all_(std::move(all)) {}
  void apply(std::string& text) const override {
    for (const auto& one : all_) one->apply(text);
  }

 private:
  std::vector<std::unique_ptr<Normalizer>> all_;
};

}  // namespace

std::unique_ptr<Normalizer> make_normal_form(NormalForm form) { return std::make_unique<Form>(form); }
std::unique_ptr<Normalizer> make_lowercase() { return std::make_unique<Lowercase>(); }
std::unique_ptr<Normalizer> make_strip_accents() { return std::make_unique<StripAccents>(); }
std::unique_ptr<Normalizer> make_strip(bool left, bool right) { return std::make_unique<Strip>(left, right); }
std::unique_ptr<Normalizer> make_prepend(std::string text) { return std::make_unique<Prepend>(std::move(text)); }
std::unique_ptr<Normalizer> make_nmt() { return std::make_unique<Nmt>(); }

std::unique_ptr<Normalizer> make_replace(std::string pattern, std::string content) {
  if (pattern.empty()) return make_regex_replace("", std::move(content));
  return std::make_unique<Replace>(std::move(pattern), std::move(content));
}

std::unique_ptr<Normalizer> make_regex_replace(const std::string& expression, std::string content) {
  return std::make_unique<RegexReplace>(expression, std::move(content));
}

std::unique_ptr<Normalizer> make_sequence_normalizer(std::vector<std::unique_ptr<Normalizer>> normalizers) {
  return std::make_unique<Sequence>(std::move(normalizers));
}

}  // namespace bessemer::data
