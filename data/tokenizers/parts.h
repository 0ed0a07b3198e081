#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "data/tokenizer.h"

namespace bessemer::data {

// What a tokenizer is composed of: text -> normalizers -> splitter -> pieces -> model -> ids. All are immutable; all
// text is valid UTF-8 (the pipeline has seen to that).

/// Changes a text before it is split.
class Normalizer {
 public:
  virtual ~Normalizer() = default;
  virtual void apply(std::string& text) const = 0;
};

/// Cuts a text into pieces that are encoded each for itself.
class Splitter {
 public:
  virtual ~Splitter() = default;
  /// Appends the end of each piece; pieces touch, the last one ends with the text. Texts are below 4 GiB.
  /// What is dropped (white space of BERT) is told by `keep` below.
  virtual void split(std::string_view text, std::vector<uint32_t>& ends) const = 0;
  /// Whether a piece is encoded at all.
  virtual bool keep(std::string_view) const { return true; }
  /// As Tokenizer::safe_cut, for valid UTF-8.
  virtual std::size_t safe_cut(std::string_view text) const = 0;
};

/// One thread's memory that models work in.
struct Scratch {
  struct Symbol {
    uint32_t id;
    uint32_t length;         ///< bytes; 0: merged into its left neighbour
    int32_t previous, next;  ///< -1: none
  };
  struct Candidate {
    uint64_t key;  ///< the smallest goes first: rank (or order of score) << 32 | position
    uint32_t left_id, right_id;
  };
  struct Best {
    double score;
    int32_t begin;
    uint32_t id;
  };
  std::vector<Symbol> symbols;
  std::vector<Candidate> heap;
  std::vector<Best> best;
  TokenIds ids;
  std::string text;
};

/// From one piece to ids: BPE, WordPiece, Unigram.
class PieceModel {
 public:
  virtual ~PieceModel() = default;
  virtual const char* kind() const = 0;  ///< "bpe", "wordpiece", "unigram"
  virtual void encode(std::string_view piece, Scratch& scratch, TokenIds& out) const = 0;
  virtual int64_t vocab_size() const = 0;
  /// The bytes of a token; "" beyond the vocabulary or where it leaves an id out.
  virtual std::string_view token(uint32_t id) const = 0;
};

}  // namespace bessemer::data
