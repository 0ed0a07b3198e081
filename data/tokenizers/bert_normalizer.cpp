#include <array>
#include <string_view>

#include "data/tokenizers/normalizer.h"
#include "data/tokenizers/unicode.h"

namespace bessemer::data {
namespace {

constexpr uint8_t kDropped = 0x80;

/// Cleaning, Han, accents and lower case in one pass. The reference does them one after another over the whole text:
/// what is removed first does not keep marks apart that NFD reorders, so characters outside ASCII wait until one in
/// ASCII is kept, which no mark crosses.
class BertNormalizer final : public Normalizer {
 public:
  explicit BertNormalizer(const BertOptions& options) : options_(options) {
    for (uint32_t code = 0; code < ascii_.size(); ++code) {
      uint32_t made = code;
      if (options.clean_text && (char_bits(code) & char_bit::kBertRemoved)) made = kDropped;
      if (options.clean_text && made == code && is_space(code)) made = ' ';
      if (options.lowercase && made >= 'A' && made <= 'Z') made += 32;
      ascii_[code] = static_cast<uint8_t>(made);
    }
  }

  void apply(std::string& text) const override {
    std::size_t written = 0, read = 0;
    for (; read < text.size(); ++read) {
      const auto byte = static_cast<uint8_t>(text[read]);
      if (byte >= 0x80) break;
      const uint8_t made = ascii_[byte];
      text[written] = static_cast<char>(made);
      written += made < kDropped;
    }
    if (read == text.size()) return text.resize(written);
    std::string out(text, 0, written);
    out.reserve(text.size() + 16);
    apply_wide(std::string_view(text).substr(read), out);
    text.swap(out);
  }

 private:
  void apply_wide(std::string_view text, std::string& out) const {
    CodePoints waiting;
    for (const char *at = text.data(), *end = at + text.size(); at != end;) {
      const auto byte = static_cast<uint8_t>(*at);
      if (byte >= 0x80) {
        take(next_code(at), waiting);
        continue;
      }
      ++at;
      const uint8_t made = ascii_[byte];
      if (made == kDropped) continue;
      if (!waiting.empty()) give(waiting, out);
      out.push_back(static_cast<char>(made));
    }
    give(waiting, out);
  }

  void take(uint32_t code, CodePoints& waiting) const {
    const uint16_t bits = char_bits(code);
    if (options_.clean_text && (bits & char_bit::kBertRemoved)) return;
    if (options_.clean_text && (bits & char_bit::kSpace)) code = ' ';
    const bool han = options_.handle_chinese_chars && (bits & char_bit::kBertHan);
    if (han) waiting.push_back(' ');
    waiting.push_back(static_cast<int32_t>(code));
    if (han) waiting.push_back(' ');
  }

  void give(CodePoints& waiting, std::string& out) const {
    if (options_.strip_accents) decompose(waiting);
    for (const int32_t waited : waiting) {
      const auto code = static_cast<uint32_t>(waited);
      const uint16_t bits = char_bits(code);
      if (options_.strip_accents && (bits & char_bit::kBertMark)) continue;
      if (options_.lowercase && (bits & char_bit::kUpper)) {
        append_lower(code, out);
      } else {
        append_utf8(code, out);
      }
    }
    waiting.clear();
  }

  BertOptions options_;
  std::array<uint8_t, 128> ascii_{};  // what each becomes; kDropped: nothing
};

}  // namespace

std::unique_ptr<Normalizer> make_bert_normalizer(const BertOptions& options) {
  return std::make_unique<BertNormalizer>(options);
}

}  // namespace bessemer::data
