#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace bessemer::trainer {

/// Where a model's weights are read from, by their canonical names: a checkpoint of ours, or a directory of Hugging
/// Face's. Errors: Error (65) naming file and tensor.
class WeightSource {
 public:
  virtual ~WeightSource() = default;
  virtual const std::string& path() const = 0;
  virtual std::vector<std::string> weights() const = 0;  ///< canonical names, sorted
  virtual bool has_weight(const std::string& name) const = 0;
  virtual const std::vector<int64_t>& weight_shape(const std::string& name) const = 0;  ///< of the global tensor
  /// Elements [first, first + count) of the slice [begin, end) along `dim` of a global tensor, the slice row-major.
  /// \param out  fp32, host, `count` elements.
  virtual void read_weight(const std::string& name, int64_t dim, int64_t begin, int64_t end, int64_t first,
                           int64_t count, float* out) const = 0;
};

}  // namespace bessemer::trainer
