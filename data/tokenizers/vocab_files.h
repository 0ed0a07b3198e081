#pragma once
#include <memory>
#include <string>

#include "data/tokenizer.h"

namespace bessemer::data {

// Vocabularies in the files of before tokenizer.json, read as the tokenizer.json of the same tokenizer.
// Errors: Error (65) naming file, line, found and expected.

/// A folder with GPT-2's vocab.json and merges.txt, or RoBERTa's (<s>, </s> and <mask> are in it).
std::unique_ptr<Tokenizer> open_gpt2(const std::string& folder);
/// BERT's vocab.txt. Lower-casing (and stripping of accents) where no token but the special ones has a capital letter.
std::unique_ptr<Tokenizer> open_wordpiece(const std::string& path);

}  // namespace bessemer::data
