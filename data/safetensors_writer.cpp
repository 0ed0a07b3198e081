#include "data/safetensors_writer.h"

#include <unistd.h>

#include <algorithm>
#include <array>

#include "data/small_floats.h"
#include "parallel/error.h"

namespace bessemer::data {
namespace {

std::string temporary_of(const std::string& path) { return path + ".tmp"; }

}  // namespace

SafetensorsWriter::SafetensorsWriter(std::string path, std::vector<SafeTensor> tensors,
                                     const std::map<std::string, std::string>& metadata)
    : path_(std::move(path)), tensors_(std::move(tensors)) {
  const std::string header = make_safetensors_header(tensors_, metadata);
  expected_ = tensors_.empty() ? 0 : tensors_.back().end;
  require_space(path_, header.size() + expected_);
  file_.emplace(temporary_of(path_), FileDescriptor::Mode::kCreate);
  file_->write(header.data(), header.size());
}

SafetensorsWriter::~SafetensorsWriter() {
  if (file_) ::unlink(temporary_of(path_).c_str());
}

void SafetensorsWriter::append(const void* data, uint64_t bytes) {
  BESSEMER_CHECK_DATA(bytes <= expected_, path_, ": ", bytes, " bytes were to be written where ", expected_, " fit");
  file_->write(data, bytes);
  expected_ -= bytes;
}

void SafetensorsWriter::append_as(const std::string& dtype, const float* data, int64_t count) {
  if (dtype == "F32") return append(data, static_cast<uint64_t>(count) * sizeof(float));
  BESSEMER_CHECK_DATA(dtype == "F16" || dtype == "BF16", path_, ": weights are not written as ", dtype,
                      "; F32, F16 and BF16 are");
  const auto convert = dtype == "F16" ? half_of_float : bfloat16_of_float;
  std::array<uint16_t, 4096> piece;
  for (int64_t done = 0; done < count;) {
    const int64_t n = std::min<int64_t>(count - done, piece.size());
    std::transform(data + done, data + done + n, piece.begin(), convert);
    append(piece.data(), static_cast<uint64_t>(n) * sizeof(uint16_t));
    done += n;
  }
}

void SafetensorsWriter::finish() {
  BESSEMER_CHECK_DATA(expected_ == 0, path_, ": ", expected_, " bytes of its tensors were not written");
  file_->sync_and_close();
  give_name(temporary_of(path_), path_);
  file_.reset();
}

}  // namespace bessemer::data
