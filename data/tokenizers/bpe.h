#pragma once
#include <array>
#include <string>
#include <unordered_map>
#include <vector>

#include "data/tokenizers/parts.h"

namespace bessemer::data {

/// Byte pair encoding: pairs of neighbours become one token, the pair of lowest rank first, the leftmost of equals
/// first.
///
/// Sources: Sennrich et al. 2016; byte-level: Radford et al. 2019 (GPT-2); the same ids as Hugging Face's `tokenizers`.
class Bpe final : public PieceModel {
 public:
  struct Options {
    std::vector<std::string> tokens;                    ///< by id, as bytes; "" leaves an id out
    std::vector<std::pair<uint32_t, uint32_t>> merges;  ///< ids of left and right, in order of rank
    bool bytes = true;                                  ///< pieces begin as bytes (byte-level); else as characters
    bool ignore_merges = false;                         ///< a piece that is a token as it stands needs no merging
    bool byte_fallback = false;                         ///< of characters: those without a token become <0x..> tokens
    bool fuse_unk = false;                              ///< of characters: a run of unknown ones is one `unk`
    int64_t unk = -1;                                   ///< -1: what has no token is left out, as the reference does
    std::string name;                                   ///< of the file, for errors
  };
  /// Errors: Error (65): two ids with one text, a merge whose result has no token.
  explicit Bpe(Options options);

  const char* kind() const override { return "bpe"; }
  void encode(std::string_view piece, Scratch& scratch, TokenIds& out) const override;
  int64_t vocab_size() const override { return static_cast<int64_t>(options_.tokens.size()); }
  std::string_view token(uint32_t id) const override {
    return id < options_.tokens.size() ? std::string_view(options_.tokens[id]) : std::string_view();
  }
  int64_t id_of(std::string_view token) const;  ///< -1: none

 private:
  static constexpr uint32_t kNone = 0xFFFFFFFF;
  struct Merge {
    uint64_t pair = ~uint64_t{0};  ///< left << 32 | right
    uint32_t rank = kNone, id = kNone;
  };
  Merge find(uint32_t left, uint32_t right) const {
    const uint64_t pair = uint64_t{left} << 32 | right;
    for (std::size_t at = slot(pair);; at = (at + 1) & mask_) {
      if (merges_[at].pair == pair || merges_[at].rank == kNone) return merges_[at];
    }
  }
  std::size_t slot(uint64_t pair) const { return (pair * 0x9E3779B97F4A7C15u) >> shift_; }
  void fill_merges();
  void fill_bytes();
  void begin_with_bytes(std::string_view piece, TokenIds& ids) const;
  void begin_with_characters(std::string_view piece, TokenIds& ids) const;
  bool fall_back_to_bytes(std::string_view character, TokenIds& ids) const;
  void merge_few(Scratch& scratch, TokenIds& out) const;
  void merge_many(Scratch& scratch, TokenIds& out) const;
  bool offer(Scratch& scratch, int32_t left) const;

  Options options_;
  std::unordered_map<std::string_view, uint32_t> ids_;
  std::array<uint32_t, 256> byte_ids_{};  ///< of single bytes, or of <0x..> under byte_fallback
  std::vector<Merge> merges_;             ///< open addressing, a power of two
  std::size_t mask_ = 0;
  int shift_ = 0;
};

}  // namespace bessemer::data
