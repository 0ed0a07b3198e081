#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "data/file.h"
#include "data/safetensors_header.h"

namespace bessemer::data {

/// Writes one safetensors file, tensor by tensor: memory for none of them is needed. The same tensors give the same
/// bytes, those of the reference's writer. The file appears under its name when it is whole.
///
/// Usage: construct; for each of tensors(), in that order, append() its bytes in any number of pieces; finish().
class SafetensorsWriter {
 public:
  /// \param tensors  name, dtype and shape of each, in any order. \param metadata  Hugging Face wants {"format": "pt"}.
  /// Errors: Error (69) where the disk has no room.
  SafetensorsWriter(std::string path, std::vector<SafeTensor> tensors,
                    const std::map<std::string, std::string>& metadata = {{"format", "pt"}});
  ~SafetensorsWriter();  ///< unfinished: nothing is left
  SafetensorsWriter(const SafetensorsWriter&) = delete;
  SafetensorsWriter& operator=(const SafetensorsWriter&) = delete;

  const std::vector<SafeTensor>& tensors() const { return tensors_; }  ///< in the order in which they are written
  void append(const void* data, uint64_t bytes);
  /// fp32 as `dtype` (F32, F16 or BF16), rounded to the nearest.
  void append_as(const std::string& dtype, const float* data, int64_t count);
  void finish();

 private:
  std::string path_;
  std::vector<SafeTensor> tensors_;
  std::optional<FileDescriptor> file_;
  uint64_t expected_ = 0;  ///< bytes that are still to come
};

}  // namespace bessemer::data
