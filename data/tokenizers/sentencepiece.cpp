#include "data/tokenizers/sentencepiece.h"

#include <simdjson.h>

#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "data/base64.h"
#include "data/file.h"
#include "data/tokenizers/sentencepiece_decoder.h"
#include "data/tokenizers/sentencepiece_model.h"
#include "data/tokenizers/sentencepiece_normalizer.h"
#include "data/tokenizers/sp_bpe.h"
#include "data/tokenizers/unigram.h"
#include "data/utf8.h"
#include "parallel/error.h"

namespace bessemer::data {
namespace {

// The largest that are published have 5 MB.
constexpr uint64_t kLargestFile = 64 << 20;

std::vector<std::string_view> texts_of_type(const SentencePieceModel& model, PieceType type) {
  std::vector<std::string_view> texts;
  for (const auto& piece : model.pieces) {
    if (piece.type == type) texts.push_back(piece.text);
  }
  return texts;
}

class SentencePieceEncoder final : public Encoder {
 public:
  /// \param special  texts that are ids of their own.
  SentencePieceEncoder(const SentencePieceNormalizer& normalizer, const PieceModel& model, ByteTrie special)
      : normalizer_(normalizer), model_(model), special_(std::move(special)) {}

  void encode(std::string_view text, TokenIds& out) override {
    if (simdjson::validate_utf8(text.data(), text.size())) return encode_valid(text, out);
    encode_valid(repaired_utf8(text, replaced_), out);
  }

 private:
  void encode_valid(std::string_view text, TokenIds& out) {
    std::size_t begin = 0;
    if (!special_.empty()) {
      for (std::size_t at = 0; at < text.size();) {
        const auto match = special_.longest(text.substr(at));
        if (match.length == 0) {
          ++at;
          continue;
        }
        encode_plain(text.substr(begin, at - begin), out);
        out.push_back(match.id);
        begin = at += match.length;
      }
    }
    encode_plain(text.substr(begin), out);
  }

  void encode_plain(std::string_view text, TokenIds& out) {
    normalizer_.normalize(text, normalized_);
    model_.encode(normalized_, scratch_, out);
  }

  const SentencePieceNormalizer& normalizer_;
  const PieceModel& model_;
  ByteTrie special_;
  Scratch scratch_;
  std::string normalized_;
};

class SentencePieceTokenizer final : public Tokenizer {
 public:
  SentencePieceTokenizer(std::string bytes, const std::string& name, SentencePieceModel model)
      : bytes_(std::move(bytes)), model_(std::move(model)),
        normalizer_(model_.normalizer, model_.treat_whitespace_as_suffix,
                    texts_of_type(model_, PieceType::kUserDefined)) {
    if (!model_.denormalizer.charsmap.empty())
      denormalizer_ =
          std::make_unique<SentencePieceNormalizer>(model_.denormalizer, false, std::vector<std::string_view>());
    bos_id = model_.control_id(model_.bos_piece);
    eod_id = model_.control_id(model_.eos_piece);
    pad_id = model_.control_id(model_.pad_piece);
    ScoredPieces pieces(model_.pieces, model_.unknown_id(), model_.byte_fallback, name);
    if (model_.kind == SentencePieceModel::Kind::kBpe) {
      auto bpe = std::make_unique<SpBpe>(std::move(pieces));
      words_begin_with_space_ = bpe->words_begin_with_space();
      encoder_ = std::move(bpe);
    } else {
      encoder_ = std::make_unique<Unigram>(std::move(pieces), Unigram::Sum::kFloat);
    }
  }

  std::string kind() const override { return encoder_->kind(); }
  int64_t vocab_size() const override { return encoder_->vocab_size(); }
  std::unique_ptr<Encoder> encoder(SpecialText special) const override {
    std::vector<ByteTrie::Entry> texts;
    for (std::size_t id = 0; special == SpecialText::kParse && id < model_.pieces.size(); ++id) {
      if (model_.pieces[id].type == PieceType::kControl)
        texts.push_back({model_.pieces[id].text, static_cast<uint32_t>(id)});
    }
    return std::make_unique<SentencePieceEncoder>(normalizer_, *encoder_, ByteTrie(std::move(texts)));
  }
  int64_t special_token(std::string_view text) const override {
    for (std::size_t id = 0; id < model_.pieces.size(); ++id) {
      if (model_.pieces[id].type == PieceType::kControl && model_.pieces[id].text == text)
        return static_cast<int64_t>(id);
    }
    return -1;
  }
  std::unique_ptr<Decoder> decoder() const override { return make_sentencepiece_decoder(model_, denormalizer_.get()); }
  std::string token(uint32_t id) const override {
    BESSEMER_CHECK_DATA(id < model_.pieces.size(), "token id ", id, " has no piece; ids below ", model_.pieces.size(),
                        " are expected");
    return std::string(encoder_->token(id));
  }
  std::string normalizer() const override;
  std::size_t safe_cut(std::string_view text) const override;
  std::string json() const override {
    const nlohmann::ordered_json all = {
        {"format", "bessemer-tokenizer"}, {"version", 1}, {"kind", "sentencepiece"}, {"model", base64_encode(bytes_)}};
    return all.dump(2) + "\n";
  }

 private:
  bool words_stand_alone() const;

  std::string bytes_;
  SentencePieceModel model_;
  SentencePieceNormalizer normalizer_;
  std::unique_ptr<SentencePieceNormalizer> denormalizer_;  ///< null: none
  std::unique_ptr<PieceModel> encoder_;
  bool words_begin_with_space_ = false;
};

std::string SentencePieceTokenizer::normalizer() const {
  const auto& options = model_.normalizer;
  std::string words = "sentencepiece " + (options.name.empty() ? "identity" : options.name);
  if (options.add_dummy_prefix)
    words += model_.treat_whitespace_as_suffix ? ", space after the text" : ", space before the text";
  if (options.remove_extra_whitespaces) words += ", runs of spaces collapsed";
  return words;
}

/// Whether a text may be cut before a single space and both parts give the ids of the whole. It takes a model whose
/// words do not depend on each other: never Unigram, whose scores add up over the whole text and are rounded (a tie may
/// fall otherwise), and no BPE with unused pieces. And the second part's space must be what the first space of a text
/// becomes: kept where no prefix is added, dropped for the prefix where runs of spaces collapse. An unknown U+2581
/// could join two runs of the unknown.
bool SentencePieceTokenizer::words_stand_alone() const {
  const auto& options = model_.normalizer;
  bool known_space = model_.byte_fallback;
  for (const auto& [text, score, type] : model_.pieces) {
    known_space |= text == "\xE2\x96\x81" && type == PieceType::kNormal;
    if (type == PieceType::kUserDefined) return false;
    if (type == PieceType::kControl && text.find(' ') != std::string::npos) return false;
  }
  return words_begin_with_space_ && known_space && options.escape_whitespaces && !model_.treat_whitespace_as_suffix &&
         options.add_dummy_prefix == options.remove_extra_whitespaces;
}

std::size_t SentencePieceTokenizer::safe_cut(std::string_view text) const {
  if (!words_stand_alone() || !normalizer_.leaves(' ')) return 0;
  const auto plain = [&](std::size_t at) {
    return text[at] != ' ' && normalizer_.leaves(static_cast<unsigned char>(text[at]));
  };
  // Plain, space, plain, and ASCII after it: no rule of the normalizer reaches across.
  for (std::size_t at = text.size() >= 3 ? text.size() - 3 : 0; at > 0; --at) {
    if (text[at] == ' ' && plain(at - 1) && plain(at + 1) && static_cast<signed char>(text[at + 2]) >= 0) return at;
  }
  return 0;
}

}  // namespace

std::unique_ptr<Tokenizer> open_sentencepiece(const std::string& path) {
  return sentencepiece_from_bytes(read_file(path, kLargestFile), path);
}

std::unique_ptr<Tokenizer> sentencepiece_from_bytes(std::string model_bytes, const std::string& name_for_errors) {
  auto model = read_sentencepiece_model(model_bytes, name_for_errors);
  return std::make_unique<SentencePieceTokenizer>(std::move(model_bytes), name_for_errors, std::move(model));
}

}  // namespace bessemer::data
