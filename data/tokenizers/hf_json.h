#pragma once
#include <memory>
#include <string>
#include <vector>

#include "data/tokenizer.h"

namespace bessemer::data {

/// A Hugging Face tokenizer.json: models BPE (byte-level, or of characters with byte fallback), WordPiece, Unigram, and
/// the normalizers, pre-tokenizers, templates and decoders that published models use. \param name  of the file, for
/// errors. Errors: Error (65) naming the file and the part that is damaged, or that is not known here.
std::unique_ptr<Tokenizer> hf_tokenizer(const std::string& text, const std::string& name);

/// A tokenizer of that form with these special tokens too. One that its vocabulary holds as a common token keeps that
/// id, others get the ids behind the vocabulary; special ones stay as they are.
/// Errors: Error (65) where the tokenizer is of another form, or as Tokenizer::special_token.
std::unique_ptr<Tokenizer> with_special_tokens(const Tokenizer& tokenizer, const std::vector<std::string>& texts);

}  // namespace bessemer::data
