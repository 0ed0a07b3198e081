#pragma once
#include <memory>
#include <string>

#include "data/tokenizer.h"

namespace bessemer::data {

/// A Hugging Face tokenizer.json: models BPE (byte-level, or of characters with byte fallback), WordPiece, Unigram, and
/// the normalizers, pre-tokenizers, templates and decoders that published models use. \param name  of the file, for
/// errors. Errors: Error (65) naming the file and the part that is damaged, or that is not known here.
std::unique_ptr<Tokenizer> hf_tokenizer(const std::string& text, const std::string& name);

}  // namespace bessemer::data
