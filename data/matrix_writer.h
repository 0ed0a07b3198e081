#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "data/file.h"

namespace bessemer::data {

/// A matrix of fp32 numbers as a file for others: NumPy's .npy (version 1.0), or HDF5 (.h5, .hdf5) with one dataset.
/// Rows are written in any order; the file has its name only once it is complete. Source of the first: numpy,
/// lib/_format_impl.py.
class MatrixWriter {
 public:
  /// \param path     its ending tells the form. \param dataset  its name in an HDF5 file.
  /// Errors: Error (64) for another ending, (69) where it cannot be written.
  MatrixWriter(const std::string& path, const std::string& dataset, int64_t rows, int64_t columns);
  ~MatrixWriter();  ///< of an unfinished one nothing is left
  MatrixWriter(const MatrixWriter&) = delete;
  MatrixWriter& operator=(const MatrixWriter&) = delete;

  void write(int64_t row, const float* values);  ///< `columns` of them
  void finish();

  static void check_name(const std::string& path);  ///< Error (64) where the ending is neither

 private:
  std::string path_, temporary_;
  uint64_t begin_ = 0;  ///< of the numbers
  uint64_t row_bytes_;
  std::optional<FileDescriptor> file_;
};

}  // namespace bessemer::data
