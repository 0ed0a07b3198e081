// From a unit's text to its spool.
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <optional>

#include "data/file.h"
#include "data/sentences.h"
#include "data/units.h"
#include "data/utf8.h"
#include "parallel/error.h"

namespace bessemer::data {
namespace {

constexpr std::size_t kEnough = 1 << 20;  ///< so much text of one document is encoded at once

class UnitEncoder final : public TakeText {
 public:
  UnitEncoder(const Tokenizer& tokenizer, const EncodeOptions& options, const std::string& path, UnitCounters& counters)
      : tokenizer_(tokenizer), options_(options),
        encoder_(tokenizer.encoder(options.parse_special ? SpecialText::kParse : SpecialText::kPlain)),
        out_(path, tokenizer.vocab_size() > 65536), counters_(counters) {
    XXH3_128bits_reset(&hash_);
    if (options.chat == ChatTemplate::kNone) return;
    chat_.emplace(options.chat, tokenizer, options.parse_special ? SpecialText::kParse : SpecialText::kPlain,
                  options.end_of_turn);
  }

  void conversation(const Conversation& conversation) override {
    chat_->encode(conversation, ids_, mask_);
    XXH3_128bits_update(&hash_, chat_->text().data(), chat_->text().size());
    facts_.text_bytes += chat_->text().size();
    out_.append(ids_, mask_);
    counters_.tokens += ids_.size();
    tokens_ = ids_.size();
    record(0);
  }

  void text(std::string_view piece) override {
    XXH3_128bits_update(&hash_, piece.data(), piece.size());
    facts_.text_bytes += piece.size();
    any_ = any_ || !piece.empty();
    if (held_.empty() && piece.size() < kEnough) return void(held_ = piece);
    held_ += piece;
    if (held_.size() >= wanted_) encode_some();
  }

  void end_document() override {
    encode(held_);
    held_.clear();
    wanted_ = kEnough;
    if (any_) record(0);
    any_ = false;
  }
  void drop_document() override {
    held_.clear();
    dropped_ = any_ = true;
  }

  void reject(Reject reject) override {
    ++counters_.rejected, ++facts_.rejected;
    reject.file = source_->path;
    if (facts_.rejects.size() < SpoolWriter::kRejectsKept) facts_.rejects.push_back(std::move(reject));
  }
  void progress(uint64_t raw) override { counters_.raw += raw; }

  void read(std::size_t index, const TextSource& source, const Stretch& stretch) {
    source_ = &source;
    if (stretch.last) facts_.sha256.emplace_back(index, sha256_of_file(source.path));
    const uint64_t lines = read_stretch(source, stretch, options_.read, *this);
    facts_.lines = stretch.last ? 0 : lines;
  }

  void finish() {
    encode(held_);
    if (any_) record(SpooledDocument::kOpen);
    facts_.replaced = encoder_->replaced() + (chat_ ? chat_->replaced() : 0);
    out_.finish(std::move(facts_));
  }

 private:
  /// As much as can be cut off without changing an id.
  void encode_some() {
    std::size_t cut = options_.sentences       ? last_sentence(held_)
                      : options_.parse_special ? 0
                                               : tokenizer_.safe_cut(held_);
    if (cut == 0 && held_.size() < options_.longest_text) {
      wanted_ = std::min<std::size_t>(2 * held_.size(), options_.longest_text);
      return;
    }
    if (cut == 0) cut = forced_cut(), ++facts_.forced;
    encode(std::string_view(held_).substr(0, cut));
    held_.erase(0, cut);
    wanted_ = held_.size() + kEnough;
  }
  std::size_t forced_cut() const {
    for (const std::string_view at : {"\n", " "}) {
      const auto found = held_.rfind(at);
      if (found != std::string::npos && found > 0) return found;
    }
    return std::max<std::size_t>(1, whole_characters(held_));
  }
  void encode(std::string_view text) {
    for (std::size_t begin = 0, end = 0; begin < text.size(); begin = end) {
      end = options_.sentences ? sentence_end(text, begin) : text.size();
      encode_at_once(text.substr(begin, end - begin));
    }
  }
  void encode_at_once(std::string_view text) {
    ids_.clear();
    encoder_->encode(text, ids_);
    out_.append(ids_);
    counters_.tokens += ids_.size();
    tokens_ += ids_.size();
    if (options_.sentences && !ids_.empty()) out_.sentence(ids_.size());
  }
  void record(uint64_t flags) {
    const auto hash = XXH3_128bits_digest(&hash_);
    out_.document({tokens_, {hash.low64, hash.high64}, flags | (dropped_ ? SpooledDocument::kDropped : 0)});
    tokens_ = 0, dropped_ = false;
    XXH3_128bits_reset(&hash_);
  }

  const Tokenizer& tokenizer_;
  const EncodeOptions& options_;
  std::unique_ptr<Encoder> encoder_;
  SpoolWriter out_;
  UnitCounters& counters_;
  UnitFacts facts_;
  XXH3_state_t hash_;
  std::string held_;  ///< text of the open document that is not encoded yet
  std::size_t wanted_ = kEnough;
  uint64_t tokens_ = 0;
  bool any_ = false, dropped_ = false;
  const TextSource* source_ = nullptr;
  TokenIds ids_;
  std::optional<ChatEncoder> chat_;
  std::vector<uint8_t> mask_;
};

}  // namespace

void encode_unit(const Unit& unit, const std::vector<TextSource>& sources, const Tokenizer& tokenizer,
                 const EncodeOptions& options, const std::string& path, UnitCounters& counters) {
  UnitEncoder encoder(tokenizer, options, path, counters);
  for (const auto& part : unit) encoder.read(part.source, sources[part.source], part.stretch);
  encoder.finish();
}

}  // namespace bessemer::data
