#include "models/pretrained/family.h"

#include <fnmatch.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "parallel/error.h"

namespace bessemer::models::pretrained {

const std::vector<Family>& families() {
  static const std::vector<Family> all{gpt2(), llama(), mistral(), qwen2(), qwen3(), bert(), roberta()};
  return all;
}

const Family& family_of(const nlohmann::json& config, const std::string& path) {
  const std::string type = config.value("model_type", "");
  std::string known;
  for (const Family& family : families()) {
    if (family.model_type == type) return family;
    known += (known.empty() ? "" : ", ") + family.model_type;
  }
  fail(ExitCode::kBadData, path, ": model_type is '", type, "'; known are ", known);
}

const Family& family_for(const ModelOptions& resolved) {
  std::string why;
  for (const Family& family : families()) {
    const std::string obstacle = family.obstacle(resolved);
    if (obstacle.empty()) return family;
    why += concat("\n  ", family.architecture, ": ", obstacle);
  }
  fail(ExitCode::kUsage, "none of Hugging Face's classes that are known here can hold this model:", why);
}

std::vector<FileTensor> tensors_of(const std::vector<Place>& places) {
  std::vector<FileTensor> all;
  for (const Place& place : places) {
    auto found = std::find_if(all.begin(), all.end(), [&](const FileTensor& t) { return t.name == place.tensor; });
    if (found == all.end()) {
      all.push_back({place.tensor, place.shape});
      found = all.end() - 1;
      if (place.transposed) std::swap(found->shape[0], found->shape[1]);
    }
    int64_t& outputs = found->shape[place.transposed ? 1 : 0];
    outputs = std::max(outputs, place.first + place.shape[0]);
  }
  return all;
}

bool matches(const std::string& pattern, const std::string& name) {
  return fnmatch(pattern.c_str(), name.c_str(), 0) == 0;
}

}  // namespace bessemer::models::pretrained
