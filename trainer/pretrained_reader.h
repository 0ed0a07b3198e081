#pragma once
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "data/safetensors.h"
#include "models/pretrained/family.h"
#include "trainer/weight_source.h"

namespace bessemer::trainer {

/// A model in Hugging Face's form: config.json and safetensors, read under our names, each slice by itself. No
/// LibTorch.
///
/// Usage: open(); settle() the names; then read weights as of a checkpoint. Errors: Error (65) naming file and tensor.
class PretrainedReader final : public WeightSource {
 public:
  static bool is_one(const std::string& path);  ///< a directory with a config.json
  static PretrainedReader open(const std::string& path);

  const models::pretrained::Family& family() const { return *family_; }
  const std::string& config() const { return config_; }             ///< config.json, as it is
  const models::ModelOptions& options() const { return options_; }  ///< resolved
  const std::string& prefix() const { return prefix_; }             ///< of the file's names: "" in one of a bare model

  /// What became of one tensor.
  struct Line {
    enum class Fate { kUsed, kIgnored, kMissing } fate;
    std::string tensor;  ///< the file's name
    std::vector<int64_t> shape;
    std::string dtype;               ///< "" where it is missing
    std::vector<std::string> names;  ///< canonical, of what it holds
    std::string why;                 ///< it is ignored, or how what is missing gets its values
  };
  /// How the file's tensors and the model's meet: every tensor of both has a line.
  /// \param allowed  patterns of names ('*' for anything) that may be missing, or stand in the file unknown.
  /// Errors: Error (65) naming every other such name.
  std::vector<Line> settle(const std::vector<std::string>& allowed) const;

  const std::string& path() const override { return path_; }
  std::vector<std::string> weights() const override;
  bool has_weight(const std::string& name) const override;
  const std::vector<int64_t>& weight_shape(const std::string& name) const override;
  void read_weight(const std::string& name, int64_t dim, int64_t begin, int64_t end, int64_t first, int64_t count,
                   float* out) const override;

 private:
  std::string path_, config_, prefix_;
  const models::pretrained::Family* family_ = nullptr;
  models::ModelOptions options_;
  data::Safetensors tensors_;
  std::map<std::string, models::pretrained::Place> places_;  ///< by canonical name
};

}  // namespace bessemer::trainer
