#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace bessemer::data {

/// A tensor as a safetensors header names it: little-endian, row-major bytes [begin, end) of the file's buffer.
struct SafeTensor {
  std::string name;
  std::string dtype;           ///< as the format spells it: "F32", "BF16", "I64" ...
  std::vector<int64_t> shape;  ///< empty: a scalar
  uint64_t begin = 0;
  uint64_t end = 0;
  uint64_t bytes() const { return end - begin; }
};

struct SafetensorsHeader {
  std::vector<SafeTensor> tensors;  ///< by where they begin
  std::map<std::string, std::string> metadata;
};

inline constexpr uint64_t kSafetensorsHeaderLimit = 100'000'000;  ///< the reference's, too

/// Bits of an element. Errors: Error (65) naming `where` for a dtype that the format does not have.
int safetensors_bits(const std::string& dtype, const std::string& where);

/// Reads the JSON of a header. Nothing that it claims is believed before it is held against `buffer_bytes`, the size of
/// the file behind it: the tensors cover the buffer without hole or overlap, and each has the bytes of its shape.
/// Errors: Error (65) naming `path`, the tensor and both numbers.
/// Source: huggingface/safetensors, safetensors/src/tensor.rs (Metadata::validate).
SafetensorsHeader parse_safetensors_header(std::string_view json, uint64_t buffer_bytes, const std::string& path);

/// Lays tensors out as the reference does (larger elements first, then by name) and fills in where each begins.
/// \param tensors  name, dtype and shape of each; sorted here.
/// \return the first bytes of the file: the header's length and its JSON, padded with spaces to a multiple of 8.
std::string make_safetensors_header(std::vector<SafeTensor>& tensors,
                                    const std::map<std::string, std::string>& metadata);

}  // namespace bessemer::data
