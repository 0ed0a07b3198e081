#include "data/tokenizers/sentencepiece_model.h"

#include <unordered_set>
#include <utility>

#include "data/tokenizers/protobuf.h"
#include "parallel/error.h"

namespace bessemer::data {
namespace {

constexpr std::size_t kLongestPiece = 7999;  // SentencePiece refuses longer ones too
constexpr std::string_view kNul("\0", 1);

ScoredPiece read_piece(std::string_view bytes, const std::string& name) {
  ScoredPiece piece;
  for (ProtobufReader in(bytes, name); in.next();) {
    switch (in.field()) {
      case 1: piece.text = in.bytes(); break;
      case 2: piece.score = in.number(); break;
      case 3: {
        const int64_t type = in.integer();
        BESSEMER_CHECK_DATA(type >= 1 && type <= 6, name, ": a piece of type ", type, "; 1 to 6 are expected");
        // The file numbers UNUSED 5 and BYTE 6, as PieceType does.
        piece.type = static_cast<PieceType>(type);
        break;
      }
      default: break;
    }
  }
  return piece;
}

void name_piece(std::string_view text, std::string& piece) {
  if (!text.empty()) piece = text;  // an empty name means the default
}

void read_trainer(std::string_view bytes, const std::string& name, SentencePieceModel& model) {
  for (ProtobufReader in(bytes, name); in.next();) {
    switch (in.field()) {
      case 3: {
        const int64_t kind = in.integer();
        BESSEMER_CHECK_DATA(kind >= 1 && kind <= 4, name, ": model_type ", kind,
                            "; 1 (unigram) or 2 (bpe) is expected");
        model.kind = static_cast<SentencePieceModel::Kind>(kind);
        break;
      }
      case 24: model.treat_whitespace_as_suffix = in.integer() != 0; break;
      case 35: model.byte_fallback = in.integer() != 0; break;
      case 40: model.unk_id = in.integer(); break;
      case 41: model.bos_id = in.integer(); break;
      case 42: model.eos_id = in.integer(); break;
      case 43: model.pad_id = in.integer(); break;
      case 44: model.unk_surface = in.bytes(); break;
      case 46: name_piece(in.bytes(), model.bos_piece); break;
      case 47: name_piece(in.bytes(), model.eos_piece); break;
      case 48: name_piece(in.bytes(), model.pad_piece); break;
      default: break;
    }
  }
}

void read_normalizer(std::string_view bytes, const std::string& name, SentencePieceModel::Normalizer& normalizer) {
  for (ProtobufReader in(bytes, name); in.next();) {
    switch (in.field()) {
      case 1: normalizer.name = in.bytes(); break;
      case 2: normalizer.charsmap = in.bytes(); break;
      case 3: normalizer.add_dummy_prefix = in.integer() != 0; break;
      case 4: normalizer.remove_extra_whitespaces = in.integer() != 0; break;
      case 5: normalizer.escape_whitespaces = in.integer() != 0; break;
      default: break;
    }
  }
}

bool reserved(PieceType type) {
  return type == PieceType::kControl || type == PieceType::kUnknown || type == PieceType::kByte;
}

/// Some converters leave a piece of one NUL beside <0x00>: as SentencePiece, we look away.
bool stray_nul(const ScoredPiece& piece, bool byte_fallback) {
  return piece.text == kNul && (byte_fallback || piece.type == PieceType::kUnused);
}

void check_pieces(SentencePieceModel& model, const std::string& name) {
  std::unordered_set<std::string_view> texts, reserved_texts;
  const bool bpe = model.kind == SentencePieceModel::Kind::kBpe;
  bool unknown = false;
  for (std::size_t id = 0; id < model.pieces.size(); ++id) {
    auto& piece = model.pieces[id];
    BESSEMER_CHECK_DATA(!piece.text.empty() && piece.text.size() <= kLongestPiece, name, ": piece ", id, " has ",
                        piece.text.size(), " bytes; 1 to ", kLongestPiece, " are expected");
    if (stray_nul(piece, model.byte_fallback)) {
      piece.type = PieceType::kUnused;
      continue;
    }
    BESSEMER_CHECK_DATA(piece.text.find('\0') == std::string::npos, name, ": piece ", id, " has a NUL in its text");
    auto& place = reserved(piece.type) && !bpe ? reserved_texts : texts;
    BESSEMER_CHECK_DATA(place.insert(piece.text).second, name, ": piece ", id, " ('", piece.text,
                        "') has the text of an earlier one; each once is expected");
    BESSEMER_CHECK_DATA(piece.type != PieceType::kUnknown || !unknown, name, ": piece ", id, " ('", piece.text,
                        "') is a second one for the unknown");
    unknown |= piece.type == PieceType::kUnknown;
    BESSEMER_CHECK_DATA(piece.type != PieceType::kByte || (model.byte_fallback && byte_of_piece(piece.text) >= 0), name,
                        ": piece ", id, " ('", piece.text,
                        "') is a byte piece; <0x00> to <0xFF> with byte_fallback are expected");
  }
  BESSEMER_CHECK_DATA(unknown || model.byte_fallback, name, ": none of its ", model.pieces.size(),
                      " pieces is for the unknown; one is expected (type 2), or byte_fallback");
}

void check(SentencePieceModel& model, const std::string& name) {
  using Kind = SentencePieceModel::Kind;
  BESSEMER_CHECK_DATA(!model.pieces.empty(), name, ": has no pieces; a SentencePiece model is expected");
  BESSEMER_CHECK_DATA(model.kind == Kind::kUnigram || model.kind == Kind::kBpe, name, ": a model of type ",
                      model.kind == Kind::kWord ? "word" : "char", "; unigram or bpe is expected");
  const auto size = static_cast<int64_t>(model.pieces.size());
  const std::pair<const char*, int64_t> ids[] = {
      {"unk_id", model.unk_id}, {"bos_id", model.bos_id}, {"eos_id", model.eos_id}, {"pad_id", model.pad_id}};
  for (const auto& [what, id] : ids)
    BESSEMER_CHECK_DATA(id >= -1 && id < size, name, ": ", what, " ", id, " is not the id of one of its ", size,
                        " pieces");
  check_pieces(model, name);
}

}  // namespace

SentencePieceModel read_sentencepiece_model(std::string_view bytes, const std::string& name) {
  SentencePieceModel model;
  for (ProtobufReader in(bytes, name); in.next();) {
    switch (in.field()) {
      case 1: model.pieces.push_back(read_piece(in.bytes(), name)); break;
      case 2: read_trainer(in.bytes(), name, model); break;
      case 3: read_normalizer(in.bytes(), name, model.normalizer); break;
      case 5: read_normalizer(in.bytes(), name, model.denormalizer); break;
      default: break;
    }
  }
  check(model, name);
  return model;
}

int64_t SentencePieceModel::control_id(std::string_view text) const {
  for (std::size_t id = 0; id < pieces.size(); ++id) {
    if (pieces[id].type == PieceType::kControl && pieces[id].text == text) return static_cast<int64_t>(id);
  }
  return -1;
}

int64_t SentencePieceModel::unknown_id() const {
  for (std::size_t id = 0; id < pieces.size(); ++id) {
    if (pieces[id].type == PieceType::kUnknown) return static_cast<int64_t>(id);
  }
  return -1;
}

}  // namespace bessemer::data
