#include "data/safetensors.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "data/small_floats.h"
#include "parallel/error.h"

namespace bessemer::data {
namespace {

constexpr const char* kSingle = "model.safetensors";
constexpr const char* kIndex = "model.safetensors.index.json";
constexpr int64_t kPiece = 1 << 18;  // elements converted at once

bool is_file(const std::string& path) {
  std::error_code error;
  return std::filesystem::is_regular_file(path, error);
}

template <class From>
From load(const char* at) {
  From value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

/// Bytes of a dtype to fp32; null for a dtype that is no floating-point number of 16 bits or more.
using ToFloat = void (*)(const char* from, int64_t count, float* to);
ToFloat to_float(const std::string& dtype) {
  if (dtype == "F32")
    return [](const char* from, int64_t n, float* to) { std::memcpy(to, from, static_cast<std::size_t>(n) * 4); };
  if (dtype == "F16")
    return [](const char* from, int64_t n, float* to) {
      for (int64_t i = 0; i < n; ++i) to[i] = float_of_half(load<uint16_t>(from + 2 * i));
    };
  if (dtype == "BF16")
    return [](const char* from, int64_t n, float* to) {
      for (int64_t i = 0; i < n; ++i) to[i] = float_of_bfloat16(load<uint16_t>(from + 2 * i));
    };
  if (dtype == "F64")
    return [](const char* from, int64_t n, float* to) {
      for (int64_t i = 0; i < n; ++i) to[i] = static_cast<float>(load<double>(from + 8 * i));
    };
  return nullptr;
}

template <class From>
std::vector<int64_t> widened(const std::string& bytes) {
  std::vector<int64_t> out;
  for (std::size_t at = 0; at < bytes.size(); at += sizeof(From))
    out.push_back(static_cast<int64_t>(load<From>(bytes.data() + at)));
  return out;
}

/// tensor -> file of an index. Names of files are plain: nothing outside of the directory is opened.
std::map<std::string, std::string> weight_map(const std::string& path) {
  std::map<std::string, std::string> out;
  try {
    const auto index = nlohmann::json::parse(read_file(path, kSafetensorsHeaderLimit));
    for (const auto& [tensor, file] : index.at("weight_map").items()) {
      const auto name = file.get<std::string>();
      BESSEMER_CHECK_DATA(name.find('/') == std::string::npos && name.ends_with(".safetensors"), path, ": tensor '",
                          tensor, "' is in '", name, "'; a file NAME.safetensors beside the index is expected");
      out[tensor] = name;
    }
  } catch (const nlohmann::json::exception& error) {
    fail(ExitCode::kBadData, path, ": not an index of safetensors files: ", error.what());
  }
  return out;
}

std::string pickles_in(const std::string& directory) {
  for (const char* name : {"pytorch_model.bin", "pytorch_model.bin.index.json", "model.pt", "model.pth"}) {
    if (is_file(directory + "/" + name)) return directory + "/" + name;
  }
  return "";
}

}  // namespace

void refuse_pickle(const std::string& path) {
  if (!is_file(path)) return;  // a directory may have any name
  for (const std::string_view end : {".pt", ".pth", ".bin", ".bin.index.json", ".ckpt", ".pkl", ".pickle"}) {
    BESSEMER_CHECK_DATA(
        !path.ends_with(end), path, ": a pickle can run any program when it is read, so Bessemer reads none; ",
        "convert it where you trust it: python -c \"import sys, torch; from safetensors.torch import save_file; ",
        "save_file({k: v.clone().contiguous() for k, v in torch.load(sys.argv[1], weights_only=True).items()}, ",
        "sys.argv[2], {'format': 'pt'})\" ", path, " model.safetensors");
  }
}

Safetensors Safetensors::open(const std::string& path) {
  Safetensors all;
  all.path_ = path;
  std::error_code error;
  if (!std::filesystem::is_directory(path, error)) {
    refuse_pickle(path);
    all.add_file(path);
  } else if (is_file(path + "/" + kIndex)) {
    all.read_index(path);
  } else {
    if (!is_file(path + "/" + kSingle)) refuse_pickle(pickles_in(path));
    BESSEMER_CHECK_DATA(is_file(path + "/" + kSingle), path, ": has neither ", kSingle, " nor ", kIndex);
    all.add_file(path + "/" + kSingle);
  }
  return all;
}

void Safetensors::add_file(const std::string& path) {
  File file{FileDescriptor(path, FileDescriptor::Mode::kRead)};
  const uint64_t size = file.descriptor.size();
  uint64_t length = 0;
  BESSEMER_CHECK_DATA(file.descriptor.read_at(0, &length, sizeof length) == sizeof length, path, ": has only ", size,
                      " bytes; a safetensors file begins with the 8 of its header's length");
  BESSEMER_CHECK_DATA(length <= kSafetensorsHeaderLimit && length <= size - sizeof length, path,
                      ": its header would have ", length, " bytes, more than ",
                      length > kSafetensorsHeaderLimit ? "the 100,000,000 that are allowed" : "the file has",
                      "; it is no safetensors file, or cut off");
  std::string header(length, '\0');
  BESSEMER_CHECK_DATA(file.descriptor.read_at(sizeof length, header.data(), length) == length, path,
                      ": shrank while it was read");
  file.buffer = sizeof length + length;
  for (SafeTensor& tensor : parse_safetensors_header(header, size - file.buffer, path).tensors) {
    const bool first = by_name_.emplace(tensor.name, tensors_.size()).second;
    BESSEMER_CHECK_DATA(first, path, ": tensor '", tensor.name, "' is in another file, too");
    tensors_.push_back(std::move(tensor));
    file_of_.push_back(files_.size());
  }
  files_.push_back(std::move(file));
}

void Safetensors::read_index(const std::string& directory) {
  const std::string path = directory + "/" + kIndex;
  const auto map = weight_map(path);
  std::set<std::string> names;
  for (const auto& [tensor, file] : map) names.insert(file);
  for (const std::string& name : names) {
    const std::size_t before = tensors_.size();
    add_file(directory + "/" + name);
    for (std::size_t i = before; i < tensors_.size(); ++i) {
      const auto found = map.find(tensors_[i].name);
      BESSEMER_CHECK_DATA(found != map.end() && found->second == name, directory, "/", name, ": holds tensor '",
                          tensors_[i].name, "', which ", kIndex, " ",
                          found == map.end() ? "does not name" : "has in " + found->second);
    }
  }
  for (const auto& [tensor, file] : map)
    BESSEMER_CHECK_DATA(find(tensor) != nullptr, path, ": tensor '", tensor, "' is not in ", file);
}

const SafeTensor* Safetensors::find(const std::string& name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : &tensors_[found->second];
}

const SafeTensor& Safetensors::at(const std::string& name) const {
  const SafeTensor* found = find(name);
  BESSEMER_CHECK_DATA(found != nullptr, path_, ": has no tensor '", name, "'");
  return *found;
}

std::pair<int64_t, int64_t> Safetensors::matrix(const SafeTensor& tensor) {
  int64_t columns = 1;
  for (std::size_t i = 1; i < tensor.shape.size(); ++i) columns *= tensor.shape[i];
  return {tensor.shape.empty() ? 1 : tensor.shape[0], columns};
}

void Safetensors::read_bytes(const std::string& name, uint64_t first, void* out, uint64_t bytes) const {
  const File& file = files_[file_of_[by_name_.at(name)]];
  const std::size_t got = file.descriptor.read_at(file.buffer + at(name).begin + first, out, bytes);
  BESSEMER_CHECK_DATA(got == bytes, file.descriptor.path(), ": tensor '", name, "': the file shrank while it was read");
}

void Safetensors::read(const std::string& name, const Rectangle& part, float* out) const {
  const SafeTensor& tensor = at(name);
  const auto convert = to_float(tensor.dtype);
  BESSEMER_CHECK_DATA(convert != nullptr, path_, ": tensor '", name, "' is ", tensor.dtype,
                      "; weights of F32, F16, BF16 or F64 are expected");
  const auto [rows, columns] = matrix(tensor);
  BESSEMER_CHECK_DATA(0 <= part.row && part.row <= part.row_end && part.row_end <= rows && 0 <= part.column &&
                          part.column <= part.column_end && part.column_end <= columns,
                      path_, ": tensor '", name, "' is ", rows, " x ", columns, "; rows [", part.row, ", ",
                      part.row_end, ") x columns [", part.column, ", ", part.column_end, ") are not in it");
  const int64_t width = part.column_end - part.column;
  const int64_t size = safetensors_bits(tensor.dtype, name) / 8;
  // Whole rows are one stretch of the file; otherwise each row is one.
  const bool whole = width == columns;
  const int64_t stretch = whole ? (part.row_end - part.row) * columns : width;
  const int64_t stretches = whole ? 1 : part.row_end - part.row;
  std::vector<char> piece(static_cast<std::size_t>(std::min(stretch, kPiece) * size));
  for (int64_t i = 0; i < stretches && stretch > 0; ++i) {
    const int64_t begin = (part.row + i) * columns + part.column;
    for (int64_t done = 0; done < stretch;) {
      const int64_t n = std::min(stretch - done, kPiece);
      read_bytes(name, static_cast<uint64_t>((begin + done) * size), piece.data(), static_cast<uint64_t>(n * size));
      convert(piece.data(), n, out);
      out += n, done += n;
    }
  }
}

std::vector<int64_t> Safetensors::integers(const std::string& name) const {
  const std::string& dtype = at(name).dtype;
  if (dtype == "I64" || dtype == "U64") return widened<int64_t>(bytes(name));
  if (dtype == "I32") return widened<int32_t>(bytes(name));
  if (dtype == "U8" || dtype == "BOOL") return widened<uint8_t>(bytes(name));
  fail(ExitCode::kBadData, path_, ": tensor '", name, "' is ", dtype, "; I64, I32, U8 or BOOL is expected");
}

std::string Safetensors::bytes(const std::string& name) const {
  std::string out(at(name).bytes(), '\0');
  read_bytes(name, 0, out.data(), out.size());
  return out;
}

}  // namespace bessemer::data
