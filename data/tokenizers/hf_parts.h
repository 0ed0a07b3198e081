#pragma once
#include <nlohmann/json_fwd.hpp>

#include "data/tokenizers/pipeline.h"

namespace bessemer::data {

constexpr uint32_t kMostIds = 1u << 24;  ///< of a vocabulary; a file that names a greater one is damaged

constexpr int kDeepest = 100;  ///< levels of JSON
/// Errors: Error (65) for JSON nested deeper, which would end the stack; nlohmann's for what is none.
nlohmann::json parse_json(std::string_view text);

/// A vocabulary, token -> id, as id -> token; "" for ids that are left out. Errors: Error (65), without the file's
/// name.
std::vector<std::string> tokens_by_id(const nlohmann::json& vocab);

// The sections of a tokenizer.json, each into its part of a pipeline. null: the section is absent.
// Errors: Error (65), or nlohmann's where a field is missing; the caller names the file.
void read_normalizer(const nlohmann::json& normalizer, PipelineParts& parts);
void read_pre_tokenizer(const nlohmann::json& pre_tokenizer, PipelineParts& parts);
/// Call it after read_pre_tokenizer, which says whether the vocabulary is written in byte-level characters.
void read_model(const nlohmann::json& model, PipelineParts& parts);

}  // namespace bessemer::data
