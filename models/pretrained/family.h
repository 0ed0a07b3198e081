#pragma once
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "models/options.h"

namespace bessemer::models::pretrained {

/// Where a canonical tensor of ours lies in a tensor of another program's file.
struct Place {
  std::string name;  ///< canonical: "h.3.attention.k.weight"; "": a bias that our shape has not, zero in the file
  std::vector<int64_t> shape;  ///< canonical, unsplit
  std::string tensor;          ///< the file's: "transformer.h.3.attn.c_attn.weight"
  bool transposed = false;     ///< the file has [in, out]
  int64_t first = 0;           ///< where our row 0 is in the file's tensor: a row; a column where transposed
};

/// A tensor of the file, whole.
struct FileTensor {
  std::string name;
  std::vector<int64_t> shape;
};

/// A tensor that a file may hold and we do not need.
struct Ignored {
  std::string pattern;  ///< of its name, '*' for anything
  std::string why;
};

/// One of Hugging Face's model classes: its config.json and its tensors' names, to ours and back. A family is a table;
/// it reads no file and holds no weight.
struct Family {
  std::string model_type;    ///< config.json's: "gpt2"
  std::string architecture;  ///< config.json's, with the output matrix: "GPT2LMHeadModel"
  std::string prefix;        ///< of the names of all but the output matrix; files of the bare model lack it
  /// \param config  config.json. Errors: Error (65) naming a field that is missing, or that asks for what we do not
  ///                have. Fields that only tell how to train or generate are not looked at.
  ModelOptions (*options)(const nlohmann::json& config);
  /// config.json for a resolved shape, complete but for the dtype, and for `architectures` where that is
  /// `architecture`.
  nlohmann::ordered_json (*config)(const ModelOptions& options);
  /// "" where the class can hold the (resolved) shape, else what of it it cannot.
  std::string (*obstacle)(const ModelOptions& options);
  /// Every canonical tensor of a (resolved) shape. \param prefix  `prefix`, or "" for a file of the bare model.
  std::vector<Place> (*places)(const ModelOptions& options, const std::string& prefix);
  std::vector<Ignored> ignored;
};

const std::vector<Family>& families();
/// Of config.json. Errors: Error (65) for an unknown model_type, listing the known ones.
const Family& family_of(const nlohmann::json& config, const std::string& path);
/// The class that can hold a model of ours. Errors: Error (64) saying for each why it cannot.
const Family& family_for(const ModelOptions& resolved);

/// The file's tensors that places are in, by first appearance.
std::vector<FileTensor> tensors_of(const std::vector<Place>& places);
/// '*' stands for any text.
bool matches(const std::string& pattern, const std::string& name);

Family bert();
Family gpt2();
Family llama();
Family mistral();
Family qwen2();
Family qwen3();
Family roberta();

}  // namespace bessemer::models::pretrained
