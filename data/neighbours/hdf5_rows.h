#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "data/hdf5.h"

namespace bessemer::data {

bool is_hdf5(const std::string& path);  ///< by its signature

/// The rows (along dimension 0) of a dataset of integers, in order and in pieces.
class Hdf5Rows {
 public:
  /// \param ids  token ids, not marks: of a type that our own files may have too.
  /// Errors: Error (65): not integers; sizes that the file cannot hold, however it is packed.
  Hdf5Rows(const Hdf5File& file, const std::string& name, bool ids);
  uint64_t rows() const { return rows_; }
  uint64_t columns() const { return columns_; }  ///< numbers in a row
  // Both valid until the next call; empty at the end.
  std::span<const int64_t> next();       ///< the next row
  std::span<const int64_t> next_rows();  ///< as many of the next rows as are read at once

 private:
  void fill();
  const Hdf5File& file_;
  std::string name_;
  uint64_t rows_, columns_;
  uint64_t at_ = 0;  ///< the first row behind the piece
  std::vector<int64_t> piece_;
  std::size_t taken_ = 0;  ///< numbers of it
};

}  // namespace bessemer::data
