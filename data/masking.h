#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "data/loader.h"
#include "data/options.h"

namespace bessemer::data {

class Tokenizer;

/// What masking must know of a vocabulary.
struct MaskingVocabulary {
  int64_t size = 0;
  int64_t mask_id = -1;
  std::vector<uint8_t> special;    ///< by id: 1 for [CLS], [SEP], padding ...: never masked
  std::vector<uint8_t> continues;  ///< by id: 1 for a piece that goes on with the word before it
};
/// Errors: Error (65) for a tokenizer without [MASK] or <mask>.
MaskingVocabulary masking_vocabulary(const Tokenizer& tokenizer);

struct Masking {
  double probability = 0.15;
  MaskUnit unit = MaskUnit::kToken;
  MaskingVocabulary vocabulary;
};

/// Of [data] and the data's tokenizer. Errors: as masking_vocabulary.
Masking make_masking(const DataOptions& options, const Tokenizer& tokenizer);

/// Masks one row for masked language modelling (Devlin et al. 2019, section 3.1): of its n tokens that may be,
/// max(1, round(probability n)) are to be predicted, whole words while they fit. 80 % of them become [MASK], 10 % a
/// random id of the vocabulary, 10 % stay; drawn for each token, with kSpan for each span. A function of (key, tokens)
/// alone: `key` comes from (seed, global row), so any layout and any resume sees the same.
/// \param tokens     [s], changed. Errors: Error (65) for an id beyond the vocabulary.
/// \param predicted  [s], given: 0 where the token is never to be predicted; written: 1 where it is to be
void mask_row(const Masking& masking, uint64_t key, std::span<int64_t> tokens, std::span<uint8_t> predicted);

/// Masks each row by its global number: `tokens` are changed, `counted` (as given: what may be predicted; empty: all)
/// becomes 1 where the token that stood there is to be predicted.
void mask_rows(const Masking& masking, uint64_t seed, Rows& rows);

/// The length in words of a span, from a uniform number in [0, 1): P(l) = 0.2 * 0.8^(l - 1) / (1 - 0.8^10), l = 1
/// ... 10.
int64_t span_length(double uniform);

}  // namespace bessemer::data
