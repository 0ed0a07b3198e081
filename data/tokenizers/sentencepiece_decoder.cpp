#include "data/tokenizers/sentencepiece_decoder.h"

#include <algorithm>
#include <utility>

#include "data/utf8.h"
#include "parallel/error.h"

namespace bessemer::data {
namespace {

constexpr std::string_view kSpace = "\xE2\x96\x81", kReplacement = "\xEF\xBF\xBD";

class SentencePieceDecoder final : public Decoder {
 public:
  SentencePieceDecoder(const SentencePieceModel& model, const Normalizer* denormalizer)
      : model_(model), denormalizer_(denormalizer) {}

 protected:
  std::string text_of(uint32_t id) override {
    BESSEMER_CHECK_DATA(id < model_.pieces.size(), "token id ", id, " has no piece; ids below ", model_.pieces.size(),
                        " are expected");
    return give(piece_text(model_.pieces[id]));
  }

  std::string owed() override {
    std::string text = give(rest_of_bytes());
    if (denormalizer_ == nullptr) return text;
    denormalizer_->apply(all_);
    return std::move(all_);
  }

  void restart() override {
    bytes_.clear(), all_.clear();
    at_start_ = true, nothing_yet_ = true;
  }

 private:
  std::string give(std::string text) {
    nothing_yet_ &= text.empty();
    if (denormalizer_ == nullptr) return text;
    all_ += text;  // its rules may reach across any place
    return {};
  }

  std::string piece_text(const ScoredPiece& piece) {
    if (piece.type == PieceType::kByte) {
      bytes_ += static_cast<char>(byte_of_piece(piece.text));
      return whole_of_bytes();
    }
    std::string text = rest_of_bytes();
    at_start_ &= nothing_yet_ && text.empty();
    if (piece.type == PieceType::kControl) return text;
    std::string_view rest = piece.text;
    const auto& options = model_.normalizer;
    if (at_start_ && (options.add_dummy_prefix || options.remove_extra_whitespaces) && rest.starts_with(kSpace)) {
      rest.remove_prefix(kSpace.size());
      at_start_ = options.remove_extra_whitespaces;  // then all spaces at the start are extra ones
    }
    if (piece.type == PieceType::kUnknown) return text + model_.unk_surface;
    for (auto at = rest.find(kSpace); at != std::string_view::npos; at = rest.find(kSpace)) {
      text.append(rest.substr(0, at)) += ' ';
      rest.remove_prefix(at + kSpace.size());
    }
    return text.append(rest);
  }

  /// The characters that the byte pieces so far make; the last may still be incomplete.
  std::string whole_of_bytes() {
    std::string text;
    uint32_t code = 0;
    for (int length = 0; !bytes_.empty() && (length = decode_utf8(bytes_, code)) >= 0;) {
      text += length == 0 ? kReplacement : std::string_view(bytes_).substr(0, static_cast<std::size_t>(length));
      bytes_.erase(0, static_cast<std::size_t>(std::max(length, 1)));
    }
    return text;
  }

  std::string rest_of_bytes() {
    std::string text;
    while (!bytes_.empty()) {
      text += whole_of_bytes();
      if (bytes_.empty()) break;
      text += kReplacement;
      bytes_.erase(0, 1);
    }
    return text;
  }

  const SentencePieceModel& model_;
  const Normalizer* denormalizer_;
  std::string bytes_;  ///< of byte pieces that make no whole character yet
  std::string all_;    ///< kept for the denormalizer
  bool at_start_ = true, nothing_yet_ = true;
};

}  // namespace

std::unique_ptr<Decoder> make_sentencepiece_decoder(const SentencePieceModel& model, const Normalizer* denormalizer) {
  return std::make_unique<SentencePieceDecoder>(model, denormalizer);
}

}  // namespace bessemer::data
