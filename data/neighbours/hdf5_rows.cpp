#include "data/neighbours/hdf5_rows.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <utility>

#include "data/byte_stream.h"
#include "data/neighbours/writer.h"
#include "parallel/error.h"

namespace bessemer::data {
namespace {

constexpr uint64_t kMostColumns = 8 << 20;  ///< 64 MiB of a row
constexpr uint64_t kNumbers = 1 << 18;      ///< read at once, if a row is no longer

}  // namespace

bool is_hdf5(const std::string& path) {
  char front[8];
  return read_front(path, front, sizeof front) && std::memcmp(front, "\x89HDF\r\n\x1a\n", sizeof front) == 0;
}

Hdf5Rows::Hdf5Rows(const Hdf5File& file, const std::string& name, bool ids) : file_(file), name_(name) {
  const auto& info = file.dataset(name);
  const bool integers = info.dtype != Dtype::kF32 && (info.dtype != Dtype::kOther || !ids);  // kOther: i8, as marks are
  BESSEMER_CHECK_DATA(integers && !info.shape.empty(), file.path(), ": dataset '", name, "' is of type ",
                      name_of(info.dtype), " and ", info.shape.size(), " dimensions; rows of integers are expected");
  rows_ = info.shape[0];
  const uint64_t elements = info.elements(), packed = std::filesystem::file_size(file.path());
  columns_ = rows_ > 0 ? elements / rows_ : 0;
  BESSEMER_CHECK_DATA(columns_ <= kMostColumns && elements / ByteStream::kMostExpansion <= packed, file.path(),
                      ": dataset '", name, "' says it has ", rows_, " rows of ", columns_, " numbers, in a file of ",
                      packed, " bytes; it is damaged, or made to fill memory");
}

void Hdf5Rows::fill() {
  const uint64_t fit = std::max<uint64_t>(1, kNumbers / std::max<uint64_t>(1, columns_));
  const uint64_t n = std::min(fit, rows_ - at_);
  piece_.resize(n * columns_);
  file_.read(name_, at_, n, Dtype::kI64, piece_.data());
  at_ += n, taken_ = 0;
}

std::span<const int64_t> Hdf5Rows::next() {
  if (taken_ == piece_.size()) fill();
  const auto row = std::span(piece_).subspan(taken_, std::min<std::size_t>(columns_, piece_.size() - taken_));
  taken_ += row.size();
  return row;
}

std::span<const int64_t> Hdf5Rows::next_rows() {
  if (taken_ == piece_.size()) fill();
  return std::span(piece_).subspan(std::exchange(taken_, piece_.size()));
}

}  // namespace bessemer::data
