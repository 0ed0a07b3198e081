#include "data/tokenizers/scored_pieces.h"

#include <simdjson.h>

#include <cmath>
#include <utility>

#include "parallel/error.h"

namespace bessemer::data {

int byte_of_piece(std::string_view text) {
  const auto digit = [](char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1; };
  if (text.size() != 6 || !text.starts_with("<0x") || text[5] != '>') return -1;
  const int high = digit(text[3]), low = digit(text[4]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

ScoredPieces::ScoredPieces(std::vector<ScoredPiece> pieces, int64_t unk_id, bool byte_fallback, const std::string& name)
    : pieces_(std::move(pieces)), unk_id_(unk_id < 0 ? kNone : static_cast<uint32_t>(unk_id)),
      byte_fallback_(byte_fallback) {
  BESSEMER_CHECK_DATA(pieces_.size() < (1u << 28), name, ": ", pieces_.size(), " pieces; fewer than ", 1u << 28,
                      " are expected");
  BESSEMER_CHECK_DATA(unk_id >= -1 && unk_id < static_cast<int64_t>(pieces_.size()), name, ": unk_id ", unk_id,
                      " is not the id of one of its ", pieces_.size(), " pieces");
  byte_ids_.fill(kNone);
  for (std::size_t id = 0; id < pieces_.size(); ++id) {
    const auto& [text, score, type] = pieces_[id];
    BESSEMER_CHECK_DATA(simdjson::validate_utf8(text), name, ": piece ", id, " is not UTF-8");
    BESSEMER_CHECK_DATA(std::isfinite(score), name, ": piece ", id, " ('", text, "') has the score ", score,
                        ", a finite number is expected");
    if (const int byte = byte_of_piece(text); byte >= 0)
      byte_ids_[static_cast<std::size_t>(byte)] = static_cast<uint32_t>(id);
  }
  for (std::size_t byte = 0; byte < 256; ++byte) {
    bytes_[byte] = static_cast<char>(byte);
    BESSEMER_CHECK_DATA(!byte_fallback || byte_ids_[byte] != kNone, name, ": byte_fallback without a piece for byte ",
                        byte, "; 256 pieces <0x00> to <0xFF> are expected");
  }
}

std::string_view ScoredPieces::bytes_of(uint32_t id) const {
  if (id >= pieces_.size()) return {};
  const std::string_view text = pieces_[id].text;
  const int byte = byte_fallback_ ? byte_of_piece(text) : -1;
  return byte < 0 ? text : std::string_view(&bytes_[static_cast<std::size_t>(byte)], 1);
}

void ScoredPieces::Output::unknown(std::string_view text) {
  if (pieces_.byte_fallback_) {
    for (const char byte : text) out_.push_back(pieces_.byte_ids_[static_cast<unsigned char>(byte)]);
    return;
  }
  BESSEMER_CHECK_DATA(pieces_.unk_id_ != kNone, "text has '", text,
                      "', which no piece of the vocabulary covers, and none stands for the unknown");
  if (!after_unknown_) out_.push_back(pieces_.unk_id_);
  after_unknown_ = true;
}

}  // namespace bessemer::data
