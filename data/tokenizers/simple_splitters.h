#pragma once
#include <cstdint>
#include <memory>

#include "data/tokenizers/parts.h"
#include "data/tokenizers/split_behavior.h"

namespace bessemer::data {

// The pre-tokenizers of tokenizer.json that need no regular expression, each with the pieces of Hugging Face tokenizers
// 0.23.3.

/// BertPreTokenizer: white space dropped, each punctuation character a piece.
std::unique_ptr<Splitter> make_bert_splitter();
/// Whitespace: runs of \w and of [^\w\s].
std::unique_ptr<Splitter> make_whitespace_splitter();
/// WhitespaceSplit: what stands between white space.
std::unique_ptr<Splitter> make_whitespace_only_splitter();
/// Punctuation: as BERT knows it.
std::unique_ptr<Splitter> make_punctuation_splitter(SplitBehavior behavior = SplitBehavior::kIsolated);
/// Digits: each a piece, or each run of them.
std::unique_ptr<Splitter> make_digits_splitter(bool individual);
/// CharDelimiterSplit: what stands between one character.
std::unique_ptr<Splitter> make_delimiter_splitter(uint32_t code);

}  // namespace bessemer::data
