#pragma once
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <utility>
#include <vector>

namespace bessemer::data {

/// What a byte-level BPE tokenizer consists of.
struct ByteLevelBpe {
  std::vector<std::string> tokens;  ///< by id; bytes written as in byte_level.h, special tokens as they are
  std::vector<std::pair<uint32_t, uint32_t>> merges;  ///< ids of the left and the right part, the first merge first
  std::vector<std::string> special_tokens;            ///< texts, which are also among `tokens`
};

/// The text of a tokenizer.json that Hugging Face `tokenizers` (0.13 and later) and `load_tokenizer` read.
/// \param split  the pattern that cuts a text into words: "gpt2", or "cl100k" (also llama-3's).
/// Errors: Error (64) for another pattern, (65) for tokens that are not UTF-8 or missing.
/// Source of the format: huggingface/tokenizers, tokenizers/src/models/bpe/serialization.rs.
std::string byte_level_json(const ByteLevelBpe& bpe, const std::string& split);

/// A special token as its "added_tokens" has it.
nlohmann::ordered_json special_token_json(int64_t id, const std::string& text);

}  // namespace bessemer::data
