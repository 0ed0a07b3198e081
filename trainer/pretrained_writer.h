#pragma once
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "models/pretrained/family.h"
#include "trainer/weight_source.h"

namespace bessemer::trainer {

/// What an import leaves in a checkpoint's state, so that names, dtypes and the files beside the weights are there when
/// the model goes back.
struct PretrainedOrigin {
  std::string config;                         ///< config.json as it was
  std::string prefix;                         ///< of the file's names
  std::map<std::string, std::string> dtypes;  ///< of its tensors
  std::map<std::string, std::string> files;   ///< name -> text: of the tokenizer, of generation
};
nlohmann::json to_json(const PretrainedOrigin& origin);
/// \param state  of a checkpoint. None where it was not imported. Errors: Error (65) where it is damaged.
std::optional<PretrainedOrigin> origin_in(const nlohmann::json& state);

/// Files beside a model's weights: name -> text.
using Texts = std::map<std::string, std::string>;
/// What they may be: settings of tokenizer and generation, and the older files of a vocabulary.
inline const std::vector<std::string> kBesides{"tokenizer_config.json",
                                               "special_tokens_map.json",
                                               "generation_config.json",
                                               "chat_template.jinja",
                                               "vocab.json",
                                               "merges.txt",
                                               "vocab.txt"};
/// Those that an export of the checkpoint adds: of its import, or what its run has kept for it (RunParts::beside).
/// Errors: Error (65) where they are damaged.
Texts texts_beside(const nlohmann::json& state);

struct ExportOptions {
  std::string out;                       ///< a directory that is not there, or empty
  std::string dtype;                     ///< of every tensor: F32, F16, BF16; "": as imported, else F32
  uint64_t shard_bytes = 5'000'000'000;  ///< the most in one file; a larger tensor has one to itself
};

struct Exported {
  std::string architecture;
  std::vector<std::string> files;  ///< all that was written, by name
  std::size_t tensors = 0;
  uint64_t bytes = 0;  ///< of the tensors
};

/// Writes weights as the class of Hugging Face's that can hold them: model.safetensors (or several, with an index),
/// then what the tokenizer needs, config.json last.
/// \param options  of the model, resolved. \param beside  goes there too. \param tokenizer  JSON text; written as
/// tokenizer.json where it is
///                 Hugging Face's own form.
/// Errors: Error (64) where no class can hold the shape, or `out` is in use; (69) where it cannot be written.
Exported export_pretrained(const WeightSource& weights, const models::ModelOptions& options,
                           const std::optional<PretrainedOrigin>& origin, const Texts& beside,
                           const std::string& tokenizer, const ExportOptions& how);

/// The family and the names of the files that weights of this shape have, or had where they were imported.
struct TheirNames {
  const models::pretrained::Family* family;
  std::vector<models::pretrained::Place> places;
};
TheirNames their_names(const models::ModelOptions& resolved, const std::optional<PretrainedOrigin>& origin);

}  // namespace bessemer::trainer
