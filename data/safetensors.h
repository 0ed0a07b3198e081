#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "data/file.h"
#include "data/safetensors_header.h"

namespace bessemer::data {

/// Tensors in safetensors files: one file, or a directory of Hugging Face's (model.safetensors, or several files with
/// model.safetensors.index.json). Opening reads and checks the headers; a read takes from disk only what it needs.
///
/// Usage: Safetensors::open("models/gpt2").read("wte.weight", {0, 100, 0, 768}, out);
/// Any thread may read. Errors: Error (65) naming file and tensor; PyTorch's pickles are refused with how to convert.
class Safetensors {
 public:
  static Safetensors open(const std::string& path);

  const std::vector<SafeTensor>& tensors() const { return tensors_; }  ///< of all files, by file and place
  const SafeTensor* find(const std::string& name) const;               ///< null: there is none
  const SafeTensor& at(const std::string& name) const;                 ///< Errors: Error (65) where there is none
  /// A tensor as a matrix: its first dimension, and all others together; one column where there are no others.
  static std::pair<int64_t, int64_t> matrix(const SafeTensor& tensor);

  /// Rows [row, row_end) and columns [column, column_end) of a tensor as a matrix.
  struct Rectangle {
    int64_t row = 0;
    int64_t row_end = 0;
    int64_t column = 0;
    int64_t column_end = 0;
  };
  /// As fp32, row-major. F16 and BF16 become so exactly, F64 is rounded. Errors: Error (65) for other dtypes.
  /// \param out  (row_end - row) * (column_end - column) elements
  void read(const std::string& name, const Rectangle& part, float* out) const;
  /// All of a tensor of integers (I64, I32, U8 ...), as int64. Errors: Error (65) for other dtypes.
  std::vector<int64_t> integers(const std::string& name) const;
  std::string bytes(const std::string& name) const;  ///< of all of a tensor, as they are in the file

 private:
  struct File {
    FileDescriptor descriptor;
    uint64_t buffer = 0;  ///< where it begins in the file
  };
  void add_file(const std::string& path);
  void read_index(const std::string& directory);
  void read_bytes(const std::string& name, uint64_t first, void* out, uint64_t bytes) const;

  std::string path_;
  std::vector<File> files_;
  std::vector<SafeTensor> tensors_;
  std::vector<std::size_t> file_of_;  ///< of each tensor
  std::map<std::string, std::size_t> by_name_;
};

/// Refuses a PyTorch file by its name, for a pickle can run any program when it is read. Errors: Error (65) with how to
/// convert it.
void refuse_pickle(const std::string& path);

}  // namespace bessemer::data
