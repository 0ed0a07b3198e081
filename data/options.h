#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "data/blend.h"

namespace bessemer::data {

/// What is learned from a row: each next token; the tokens that were masked (BERT); or each next token behind a prefix
/// of random length, all of which every position sees (Raffel et al. 2020, section 3.2.1, prefix LM).
enum class ObjectiveKind { kCausal, kMasked, kPrefix };

/// Rows of two segments, and what is told of them besides: that B followed A in its document (BERT: else it is of
/// another one); or that they stand in their order (ALBERT: else they were exchanged).
enum class PairKind { kNone, kNextSentence, kSentenceOrder };

/// What is masked as one: a token; a word with all its pieces (Google's "whole word masking" of BERT); or spans of 1 to
/// 10 words, their lengths geometric with p = 0.2 (SpanBERT, Joshi et al. 2020, section 3.1: 3.8 words on average).
enum class MaskUnit { kToken, kWord, kSpan };

/// How a split is cut into rows. Every mode permutes its rows anew each epoch.
enum class Mode {
  kStream,  ///< windows over all documents
  kPacked,  ///< whole documents side by side, those that fit best within stretches of about 1 Mi tokens
  kPadded   ///< a document to a row
};
/// Which blocks of tokens have their checksum checked: at their first touch, at every read, or never.
enum class BlockCheck { kTouch, kAll, kOff };

/// A validation set by name.
struct NamedPath {
  std::string name;
  std::string path;
  bool operator==(const NamedPath&) const = default;
};
/// "web=data/web, code=data/code". Errors: Error (64), a sentence.
std::vector<NamedPath> parse_named_paths(const std::string& text);
std::string named_paths_text(const std::vector<NamedPath>& all);

/// [data]: what a run reads.
struct DataOptions {
  std::string path;                   ///< directory of token shards (data build made it)
  std::vector<Share> blend;           ///< or several, in these shares; then path is empty
  double blend_temperature = 1;       ///< of shares by size
  std::vector<NamedPath> validation;  ///< directories whose `val` split is evaluated; empty: that of path or blend
  ObjectiveKind objective = ObjectiveKind::kCausal;
  double mask_probability = 0.15;  ///< masked: share of the tokens that are to be predicted
  MaskUnit mask_unit = MaskUnit::kToken;
  PairKind pairs = PairKind::kNone;
  double short_pairs = 0.1;  ///< share of the pairs that are of random length, not as long as a row (BERT)
  int64_t ahead = 2;         ///< steps that are read before they are needed
  Mode mode = Mode::kStream;
  bool document_mask = false;  ///< stream: attention and positions begin anew with each document, as in the other modes
  bool group_by_length = false;  ///< padded: the documents of a global batch are about as long as each other
  BlockCheck verify = BlockCheck::kTouch;
  std::string fetch;           ///< command that copies a file of a remote source: {src} to {dst}
  std::string cache;           ///< directory for what it has copied; launch fills it in where it is empty
  double cache_gb = 100;       ///< most that the cache may hold, 10^9 bytes
  double fetch_timeout = 300;  ///< seconds without a byte after which the command is ended
};

/// Rows of sentence pairs: before A after B after, in BERT [CLS] A [SEP] B [SEP].
struct PairCut {
  PairKind kind = PairKind::kNone;
  double short_share = 0;
  int64_t before = -1, after = -1;  ///< ids
};

/// How Corpus::open cuts a split.
struct Cut {
  int64_t sequence = 0;
  Mode mode = Mode::kStream;
  bool document_mask = false;
  BlockCheck verify = BlockCheck::kTouch;
  bool next_token = true;  ///< targets are the next tokens: a row has one token more than positions
  PairCut pairs = {};
};

}  // namespace bessemer::data
