#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "data/tokenizers/scored_pieces.h"

namespace bessemer::data {

/// What of a SentencePiece .model file counts after training. The defaults are the format's.
/// Source: sentencepiece, sentencepiece_model.proto.
struct SentencePieceModel {
  enum class Kind { kUnigram = 1, kBpe = 2, kWord = 3, kChar = 4 };
  struct Normalizer {
    std::string name, charsmap;
    bool add_dummy_prefix = true, remove_extra_whitespaces = true, escape_whitespaces = true;
  };

  std::vector<ScoredPiece> pieces;
  Kind kind = Kind::kUnigram;
  bool treat_whitespace_as_suffix = false, byte_fallback = false;
  std::string unk_surface = " \xE2\x81\x87 ";
  std::string bos_piece = "<s>", eos_piece = "</s>", pad_piece = "<pad>";
  int64_t unk_id = 0, bos_id = 1, eos_id = 2,
          pad_id = -1;  ///< as the trainer was told; the pieces' own are what counts
  Normalizer normalizer, denormalizer;

  /// The id of the control piece of this text; -1: there is none.
  int64_t control_id(std::string_view text) const;
  /// The id of the piece for the unknown; -1: there is none.
  int64_t unknown_id() const;
};

/// \param bytes  the file: one protobuf message, ModelProto.
/// \param name   of the file, for errors.
/// Errors: Error (65) naming file, found and expected: no such message, truncated, not of kind unigram or bpe, an
/// empty, overlong or double piece, ids that are none, no piece or two for the unknown, byte pieces without
/// byte_fallback or not all 256 with it.
SentencePieceModel read_sentencepiece_model(std::string_view bytes, const std::string& name);

}  // namespace bessemer::data
