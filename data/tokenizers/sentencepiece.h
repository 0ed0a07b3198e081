#pragma once
#include <memory>
#include <string>

#include "data/tokenizer.h"

namespace bessemer::data {

/// A SentencePiece .model of kind unigram or bpe, with the ids and texts of sentencepiece 0.2.3.
///
/// Under SpecialText::kParse the texts of control pieces (<s>, </s>) become their ids; what stands between two of them
/// is encoded as a text of its own, with a dummy prefix of its own. Errors: Error (65) naming file, found and expected.
std::unique_ptr<Tokenizer> open_sentencepiece(const std::string& path);
/// \param model_bytes  the file itself; Tokenizer::json keeps it as base64 under "model".
std::unique_ptr<Tokenizer> sentencepiece_from_bytes(std::string model_bytes, const std::string& name_for_errors);

}  // namespace bessemer::data
