// "Precompiled" of a tokenizer.json: SentencePiece's rules as Hugging Face applies them.
#include <utf8proc.h>

#include "data/tokenizers/charsmap.h"
#include "data/tokenizers/normalizer.h"
#include "data/tokenizers/unicode.h"

namespace bessemer::data {
namespace {

/// The rule for a text's shortest front that has one; where there is none, the text itself.
bool transform(const Charsmap& rules, std::string_view part, std::string& out) {
  const auto rule = rules.shortest(part);
  if (rule.length == 0) return false;
  out += rule.by;
  return true;
}

/// Goes by graphemes: one of less than 6 bytes is looked for whole (and replaced whole, even where the rule is for its
/// front only), else, and in longer ones, character by character. Source: tokenizers 0.23, normalizers/precompiled.rs.
class Precompiled final : public Normalizer {
 public:
  explicit Precompiled(Charsmap rules) : rules_(std::move(rules)) {}

  void apply(std::string& text) const override {
    std::string out;
    out.reserve(text.size());
    const char* const end = text.data() + text.size();
    for (const char* begin = text.data(); begin != end;) {
      const char* next = begin;
      utf8proc_int32_t state = 0;
      auto code = static_cast<utf8proc_int32_t>(next_code(next));
      while (next != end) {
        const char* after = next;
        const auto following = static_cast<utf8proc_int32_t>(next_code(after));
        if (utf8proc_grapheme_break_stateful(code, following, &state)) break;
        code = following, next = after;
      }
      grapheme({begin, static_cast<std::size_t>(next - begin)}, out);
      begin = next;
    }
    text = std::move(out);
  }

 private:
  void grapheme(std::string_view part, std::string& out) const {
    if (part.size() < 6 && transform(rules_, part, out)) return;
    for (const char* at = part.data(); at != part.data() + part.size();) {
      const char* next = at;
      next_code(next);
      const std::string_view character(at, static_cast<std::size_t>(next - at));
      if (!transform(rules_, character, out)) out += character;
      at = next;
    }
  }
  Charsmap rules_;
};

}  // namespace

std::unique_ptr<Normalizer> make_precompiled(std::string blob) {
  return std::make_unique<Precompiled>(Charsmap::parse(std::move(blob)));
}

}  // namespace bessemer::data
