#include "data/masking.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>

#include "data/draws.h"
#include "data/tokenizer.h"
#include "parallel/error.h"
#include "parallel/random.h"

namespace bessemer::data {
namespace {

constexpr double kEnds = 0.2;         // of a span, after each word
constexpr int64_t kLongestSpan = 10;  // words
constexpr uint32_t kUse = 3;          // of Draws

/// Consecutive tokens that are masked together or not at all.
struct Word {
  std::size_t begin, end;
  bool follows = false;  ///< the word before it ends where it begins
};

std::vector<Word> words_of(const Masking& masking, std::span<const int64_t> tokens, std::span<const uint8_t> may) {
  const auto& v = masking.vocabulary;
  std::vector<Word> words;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    BESSEMER_CHECK_DATA(tokens[i] >= 0 && tokens[i] < v.size, "token id ", tokens[i], " is not of the vocabulary of ",
                        v.size, " that is to be masked");
    const auto id = static_cast<std::size_t>(tokens[i]);
    if (v.special[id] != 0 || may[i] == 0) continue;
    const bool follows = !words.empty() && words.back().end == i;
    if (masking.unit != MaskUnit::kToken && follows && v.continues[id] != 0)
      words.back().end = i + 1;
    else
      words.push_back({i, i + 1, follows});
  }
  return words;
}

/// Puts one token, or all of a span, in the place of those of [word.begin, word.end), as `fate` in [0, 1) says.
void replace(const Masking& masking, const Word& word, double fate, Draws& draws, std::span<int64_t> tokens) {
  for (std::size_t i = word.begin; i < word.end; ++i) {
    if (fate < 0.8)
      tokens[i] = masking.vocabulary.mask_id;
    else if (fate < 0.9)
      tokens[i] = draws.below(masking.vocabulary.size);
  }
}

}  // namespace

MaskingVocabulary masking_vocabulary(const Tokenizer& tokenizer) {
  MaskingVocabulary out;
  out.size = tokenizer.vocab_size();
  out.special.resize(static_cast<std::size_t>(out.size)), out.continues.resize(out.special.size());
  const auto special = [&](int64_t id) {
    if (id >= 0) out.special[static_cast<std::size_t>(id)] = 1;
  };
  for (const int64_t id : {tokenizer.bos_id, tokenizer.eod_id, tokenizer.pad_id}) special(id);
  for (const auto* ids : {&tokenizer.template_before, &tokenizer.template_after}) {
    for (const uint32_t id : *ids) special(id);
  }
  for (int64_t id = 0; id < out.size; ++id) {
    const std::string text = tokenizer.token(static_cast<uint32_t>(id));
    if (text == "[MASK]" || text == "<mask>") out.mask_id = id;
    const bool named = text == "[MASK]" || text == "<mask>" || text == "[CLS]" || text == "[SEP]" || text == "[PAD]" ||
                       text == "<s>" || text == "</s>" || text == "<pad>";
    if (named || text.empty()) special(id);
    const bool begins = tokenizer.kind() == "wordpiece" ? !text.starts_with("##")
                        : tokenizer.kind() == "unigram" ? text.starts_with("\xE2\x96\x81")
                                                        : text.starts_with(" ") || text.starts_with("\xE2\x96\x81");
    out.continues[static_cast<std::size_t>(id)] = !begins;
  }
  BESSEMER_CHECK_DATA(out.mask_id >= 0, "the tokenizer (", tokenizer.kind(), ", ", out.size,
                      " ids) has neither [MASK] nor <mask>, which data.objective = masked needs; build the data with a "
                      "tokenizer of a masked model, for example wordpiece:VOCAB.TXT");
  return out;
}

Masking make_masking(const DataOptions& options, const Tokenizer& tokenizer) {
  return {options.mask_probability, options.mask_unit, masking_vocabulary(tokenizer)};
}

int64_t span_length(double uniform) {
  const double all = 1.0 - std::pow(1.0 - kEnds, kLongestSpan);
  const auto length = static_cast<int64_t>(std::log1p(-uniform * all) / std::log1p(-kEnds)) + 1;
  return std::clamp<int64_t>(length, 1, kLongestSpan);
}

void mask_row(const Masking& masking, uint64_t key, std::span<int64_t> tokens, std::span<uint8_t> predicted) {
  const auto words = words_of(masking, tokens, predicted);
  std::fill(predicted.begin(), predicted.end(), uint8_t{0});
  std::size_t maskable = 0;
  for (const Word& word : words) maskable += word.end - word.begin;
  if (maskable == 0) return;
  Draws draws(key, kUse);
  // Words in random order: the ranks of random numbers; equal ones keep their order.
  std::vector<uint32_t> rank(words.size());
  for (auto& r : rank) r = draws.word();
  std::vector<std::size_t> order(words.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return rank[a] < rank[b]; });

  auto left = static_cast<std::size_t>(std::max(1.0, std::round(masking.probability * static_cast<double>(maskable))));
  const bool spans = masking.unit == MaskUnit::kSpan;
  for (const std::size_t first : order) {
    if (left == 0) break;
    const int64_t length = spans ? span_length(draws.uniform()) : 1;
    const double span_fate = draws.uniform();
    for (std::size_t w = first; w < words.size() && w < first + static_cast<std::size_t>(length); ++w) {
      const Word& word = words[w];
      const std::size_t n = word.end - word.begin;
      if (predicted[word.begin] != 0 || n > left || (w > first && !word.follows)) break;  // taken, too long, torn apart
      std::fill(predicted.begin() + static_cast<std::ptrdiff_t>(word.begin),
                predicted.begin() + static_cast<std::ptrdiff_t>(word.end), uint8_t{1});
      left -= n;
      if (spans) {
        replace(masking, word, span_fate, draws, tokens);
      } else {
        for (std::size_t i = word.begin; i < word.end; ++i)
          replace(masking, {i, i + 1}, draws.uniform(), draws, tokens);
      }
    }
  }
}

void mask_rows(const Masking& masking, uint64_t seed, Rows& rows) {
  const auto s = static_cast<std::size_t>(rows.sequence);
  if (rows.counted.empty()) rows.counted.assign(rows.rows.size() * s, 1);
  for (std::size_t r = 0; r < rows.rows.size(); ++r) {
    const auto key = parallel::stream_key(seed, "mask", static_cast<uint64_t>(rows.rows[r]));
    mask_row(masking, key, std::span(rows.tokens).subspan(r * (s + 1), s), std::span(rows.counted).subspan(r * s, s));
  }
}

}  // namespace bessemer::data
