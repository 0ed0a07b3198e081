#pragma once
#include "data/neighbours/neighbour.h"

namespace bessemer::data {

/// One array of NumPy: "\x93NUMPY", version (1.0, 2.0 or 3.0), length of the header (u16, later u32), the header (a
/// Python dictionary as text: descr, fortran_order, shape), the numbers. A one-dimensional array is flat; of a
/// two-dimensional one each row is a document. Source: numpy, lib/_format_impl.py.

bool is_npy(const std::string& source);

struct NpyHeader {
  Element element;
  std::vector<uint64_t> shape;
  uint64_t offset = 0;  ///< of the numbers
};
/// Errors: Error (65): not a header, another type than integers, big-endian, more than two dimensions.
NpyHeader read_npy_header(const FileDescriptor& file);

/// Errors: Error (65), also where the file has another size than the header says. Without a header (OLMo's .npy are
/// plain numbers) it says to import it as nanogpt.
std::unique_ptr<NeighbourReader> open_npy(const std::string& source, const NeighbourOptions& options);

}  // namespace bessemer::data
