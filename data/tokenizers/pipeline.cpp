#include "data/tokenizers/pipeline.h"

#include <simdjson.h>

#include <algorithm>

#include "data/tokenizers/scored_pieces.h"
#include "data/tokenizers/word_cache.h"
#include "data/tokenizers/wordpiece.h"
#include "data/utf8.h"
#include "parallel/error.h"

namespace bessemer::data {
namespace {

using Finder = AddedTokens::Finder;
using PrefixAt = PipelineParts::PrefixAt;

class PipelineEncoder final : public Encoder {
 public:
  PipelineEncoder(const PipelineParts& parts, SpecialText special)
      : parts_(parts), raw_(parts.added.all(), special, false), normalized_(parts.added.all(), special, true) {}

  void encode(std::string_view text, TokenIds& out) override {
    first_ = true;
    encode_part(text, out);
  }

  void encode_parts(std::span<const TextPart> parts, TokenIds& out) override {
    first_ = true;
    for (const auto& part : parts) {
      if (part.token >= 0)
        out.push_back(static_cast<uint32_t>(part.token)), first_ = false;
      else
        encode_part(part.text, out);
    }
  }

 private:
  void encode_part(std::string_view text, TokenIds& out) {
    if (simdjson::validate_utf8(text.data(), text.size())) return encode_valid(text, out);
    encode_valid(repaired_utf8(text, replaced_), out);
  }

  void encode_valid(std::string_view text, TokenIds& out) {
    without_added(raw_, text, out, [&](std::string_view part) { normalize(part, out); });
  }

  /// Gives `next` the text between added tokens, whose ids go out here.
  template <class Next>
  void without_added(const Finder& finder, std::string_view text, TokenIds& out, const Next& next) {
    if (finder.empty()) return next(text);
    for (const auto& part : finder.cut(text)) {
      if (part.id >= 0)
        out.push_back(static_cast<uint32_t>(part.id));
      else
        next(part.text);
      first_ = false;
    }
  }

  void normalize(std::string_view text, TokenIds& out) {
    if (parts_.normalizer) {
      buffer_.assign(text);
      parts_.normalizer->apply(buffer_);
      text = buffer_;
    }
    without_added(normalized_, text, out, [&](std::string_view part) { prefix(part, out); });
  }

  void prefix(std::string_view text, TokenIds& out) {
    const bool wanted = parts_.prefix_at == PrefixAt::kEvery || (parts_.prefix_at == PrefixAt::kFirst && first_);
    first_ = false;
    if (text.empty()) return;
    if (parts_.rewrite) {
      rewritten_.assign(text);
      parts_.rewrite->apply(rewritten_);
      text = rewritten_;
    }
    if (!wanted || text.starts_with(parts_.prefix)) return words(text, out);
    prefixed_ = parts_.prefix;
    prefixed_ += text;
    words(prefixed_, out);
  }

  void words(std::string_view text, TokenIds& out) {
    if (!parts_.splitter) return word(text, text.size(), out);
    ends_.clear();
    parts_.splitter->split(text, ends_);
    uint32_t begin = 0;
    for (const uint32_t end : ends_) {
      word(text.substr(begin, end - begin), text.size() - begin, out);
      begin = end;
    }
  }

  void word(std::string_view piece, std::size_t readable, TokenIds& out) {
    const auto key = WordCache::key(piece, readable);
    const auto known = key.length > 0 ? cache_.find(key) : std::span<const uint32_t>();
    if (!known.empty()) return void(out.insert(out.end(), known.begin(), known.end()));
    if (parts_.splitter && !parts_.splitter->keep(piece)) return;
    const std::size_t before = out.size();
    if (parts_.prefix_at == PrefixAt::kPiece && !piece.starts_with(parts_.prefix)) {
      prefixed_ = parts_.prefix;
      prefixed_ += piece;
      parts_.model->encode(prefixed_, scratch_, out);
    } else {
      parts_.model->encode(piece, scratch_, out);
    }
    if (key.length > 0) cache_.add(key, std::span<const uint32_t>(out).subspan(before));
  }

  const PipelineParts& parts_;
  Finder raw_, normalized_;
  WordCache cache_;
  Scratch scratch_;
  std::string buffer_, rewritten_, prefixed_;
  std::vector<uint32_t> ends_;
  bool first_ = true;
};

/// U+2581 is a space, the first of the text left out; <0x..> is a byte.
class MetaspaceDecoder final : public Decoder {
 public:
  MetaspaceDecoder(const Tokenizer& tokenizer, bool strip) : tokenizer_(tokenizer), strip_(strip) {}

 protected:
  std::string text_of(uint32_t id) override {
    std::string text = tokenizer_.token(id);
    const bool first = std::exchange(first_, false);
    if (const int byte = byte_of_piece(text); byte >= 0) return {static_cast<char>(byte)};
    for (auto at = text.find(kSpace); at != std::string::npos; at = text.find(kSpace, at + 1))
      text.replace(at, kSpace.size(), " ");
    if (first && strip_ && text.starts_with(' ')) text.erase(0, 1);
    return text;
  }
  void restart() override { first_ = true; }

 private:
  static constexpr std::string_view kSpace = "\xE2\x96\x81";
  const Tokenizer& tokenizer_;
  bool strip_, first_ = true;
};

class PipelineTokenizer final : public Tokenizer {
 public:
  explicit PipelineTokenizer(PipelineParts parts) : parts_(std::move(parts)), size_(parts_.model->vocab_size()) {
    for (const auto& token : parts_.added.all()) size_ = std::max<int64_t>(size_, int64_t{token.id} + 1);
    added_.resize(static_cast<std::size_t>(size_));
    for (const auto& token : parts_.added.all()) added_[token.id] = token.text;
    bos_id = parts_.bos_id, eod_id = parts_.eod_id, pad_id = parts_.pad_id;
    template_before = parts_.before, template_after = parts_.after;
  }
  std::string kind() const override { return parts_.kind; }
  int64_t vocab_size() const override { return size_; }
  std::string normalizer() const override { return parts_.normalizer_name; }
  std::string json() const override { return parts_.json; }
  std::unique_ptr<Encoder> encoder(SpecialText special) const override {
    return std::make_unique<PipelineEncoder>(parts_, special);
  }
  std::unique_ptr<Decoder> decoder() const override {
    if (parts_.decoder == DecoderKind::kWordPiece) return make_wordpiece_decoder(*this, parts_.cleanup);
    if (parts_.decoder == DecoderKind::kMetaspace) return std::make_unique<MetaspaceDecoder>(*this, parts_.strip_space);
    return Tokenizer::decoder();
  }
  std::string token(uint32_t id) const override {
    BESSEMER_CHECK_DATA(id < size_, "token id ", id, " is not of this vocabulary; ids below ", size_, " are expected");
    return added_[id].empty() ? std::string(parts_.model->token(id)) : added_[id];
  }
  int64_t special_token(std::string_view text) const override {
    for (const auto& token : parts_.added.all()) {
      if (token.text != text) continue;
      BESSEMER_CHECK_DATA(token.special, "tokenizer: the added token '", text,
                          "' is not marked as special, so the same",
                          " text inside of a message would become it; set \"special\": true in tokenizer.json");
      BESSEMER_CHECK_DATA(!token.left_strip && !token.right_strip, "tokenizer: the token '", text, "' takes the white ",
                          "space beside it (lstrip, rstrip), which no template here does");
      return token.id;
    }
    return -1;
  }
  std::size_t safe_cut(std::string_view text) const override {
    return parts_.splitter && parts_.cuts_are_safe ? parts_.splitter->safe_cut(text) : 0;
  }

 private:
  PipelineParts parts_;
  int64_t size_;
  std::vector<std::string> added_;  ///< by id
};

}  // namespace

std::unique_ptr<Tokenizer> make_pipeline(PipelineParts parts) {
  return std::make_unique<PipelineTokenizer>(std::move(parts));
}

}  // namespace bessemer::data
