#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "data/tokenizer.h"

namespace bessemer::data {

/// As SentencePiece numbers them.
enum class PieceType : uint8_t { kNormal = 1, kUnknown, kControl, kUserDefined, kUnused, kByte };

struct ScoredPiece {
  std::string text;
  double score = 0;
  PieceType type = PieceType::kNormal;
};

/// The vocabulary of Unigram and of SentencePiece's BPE.
class ScoredPieces {
 public:
  static constexpr uint32_t kNone = 0xFFFFFFFF;

  /// \param unk_id         stands for what no piece covers; -1: nothing does.
  /// \param byte_fallback  what no piece covers becomes the pieces <0x00> to <0xFF> of its bytes, which must be there.
  /// \param name           of the file, for errors.
  /// Errors: Error (65): an id that is none, a text that is not UTF-8, a score that is not a number, a byte without a
  /// piece.
  ScoredPieces(std::vector<ScoredPiece> pieces, int64_t unk_id, bool byte_fallback, const std::string& name);

  std::size_t size() const { return pieces_.size(); }
  const ScoredPiece& operator[](std::size_t id) const { return pieces_[id]; }
  const std::vector<ScoredPiece>& all() const { return pieces_; }
  uint32_t unk_id() const { return unk_id_; }  ///< kNone: no piece is

  /// Pieces that text can become: neither control, unknown, byte nor unused ones.
  bool matches_text(std::size_t id) const {
    return pieces_[id].type == PieceType::kNormal || pieces_[id].type == PieceType::kUserDefined;
  }
  /// What a piece stands for: one byte for a byte piece, its text for any other; "" beyond the vocabulary.
  std::string_view bytes_of(uint32_t id) const;

  /// Collects the ids of one text: what is unknown becomes bytes, or one unk for a run of it.
  class Output {
   public:
    Output(const ScoredPieces& pieces, TokenIds& out) : pieces_(pieces), out_(out) {}
    void piece(uint32_t id) {
      out_.push_back(id);
      after_unknown_ = false;
    }
    /// \param text  what it is that no piece covers.
    void unknown(std::string_view text);

   private:
    const ScoredPieces& pieces_;
    TokenIds& out_;
    bool after_unknown_ = false;
  };

 private:
  std::vector<ScoredPiece> pieces_;
  uint32_t unk_id_;
  bool byte_fallback_;
  std::array<uint32_t, 256> byte_ids_{};
  std::array<char, 256> bytes_{};
};

/// The byte that "<0x0A>" names; -1: the text is no such name.
int byte_of_piece(std::string_view text);

}  // namespace bessemer::data
