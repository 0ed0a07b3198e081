#include "data/matrix_writer.h"

#include <unistd.h>

#include <bit>

#include "data/hdf5.h"
#include "parallel/error.h"

namespace bessemer::data {
namespace {

static_assert(std::endian::native == std::endian::little);

bool is_npy_name(const std::string& path) { return path.ends_with(".npy"); }

std::string npy_header(int64_t rows, int64_t columns) {
  std::string text = concat("{'descr': '<f4', 'fortran_order': False, 'shape': (", rows, ", ", columns, "), }");
  constexpr std::size_t kBefore = 10, kMultiple = 64;  // magic, version, length; numbers begin at such a place
  text.append(kMultiple - (kBefore + text.size() + 1) % kMultiple, ' ');
  text += '\n';
  const auto length = static_cast<uint16_t>(text.size());
  std::string out("\x93NUMPY\x01\x00", 8);
  out += static_cast<char>(length & 0xff);
  out += static_cast<char>(length >> 8);
  return out + text;
}

}  // namespace

void MatrixWriter::check_name(const std::string& path) {
  BESSEMER_CHECK(is_npy_name(path) || path.ends_with(".h5") || path.ends_with(".hdf5"), path,
                 ": a matrix is written as .npy, .h5 or .hdf5; choose a name that ends so");
}

MatrixWriter::MatrixWriter(const std::string& path, const std::string& dataset, int64_t rows, int64_t columns)
    : path_(path), temporary_(path + ".tmp"), row_bytes_(static_cast<uint64_t>(columns) * sizeof(float)) {
  check_name(path);
  if (is_npy_name(path)) {
    const std::string header = npy_header(rows, columns);
    begin_ = header.size();
    require_space(path, begin_ + static_cast<uint64_t>(rows) * row_bytes_);
    file_.emplace(temporary_, FileDescriptor::Mode::kCreate);
    file_->write(header.data(), header.size());
  } else {
    const std::vector<uint64_t> shape{static_cast<uint64_t>(rows), static_cast<uint64_t>(columns)};
    begin_ = create_layout(temporary_, {{dataset, Dtype::kF32, shape}}, {}).at(dataset);
    file_.emplace(temporary_, FileDescriptor::Mode::kWrite);
  }
}

MatrixWriter::~MatrixWriter() {
  if (file_) ::unlink(temporary_.c_str());
}

void MatrixWriter::write(int64_t row, const float* values) {
  file_->write_at(begin_ + static_cast<uint64_t>(row) * row_bytes_, values, row_bytes_);
}

void MatrixWriter::finish() {
  file_->sync_and_close();
  give_name(temporary_, path_);
  file_.reset();
}

}  // namespace bessemer::data
