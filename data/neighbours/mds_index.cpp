#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "data/byte_stream.h"
#include "data/neighbours/mds.h"
#include "parallel/error.h"

namespace bessemer::data {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr uint64_t kLargestIndex = 256 << 20;

/// One entry of "shards", read with its place for errors.
class Entry {
 public:
  Entry(std::string directory, std::size_t number, const json& value, const NeighbourOptions& options)
      : directory_(std::move(directory)), number_(number), value_(value), options_(options) {}

  MdsShard read() const {
    check(value_.value("format", "") == "mds" && value_.value("version", 0) == 2,
          concat("is of format ", value_.value("format", "?"), " ", value_.value("version", 0),
                 "; mds of version 2 is expected"));
    MdsShard shard;
    shard.samples = number(value_, "samples");
    shard.bytes = number(value_.at("raw_data"), "bytes");
    shard.column = column();
    find_file(shard);
    return shard;
  }

 private:
  std::string place() const { return concat(directory_, "/index.json: shard ", number_, " "); }
  void check(bool good, const std::string& what) const { BESSEMER_CHECK_DATA(good, place(), what); }
  uint64_t number(const json& object, const char* key) const {
    const json& found = object.at(key);
    check(found.is_number_unsigned(), concat("has ", key, " ", found.dump(), "; 0 or more is expected"));
    return found.get<uint64_t>();
  }

  void find_file(MdsShard& shard) const {
    const std::string raw = path_of(value_.at("raw_data"));
    const bool packed = !fs::exists(raw) && value_.contains("zip_data") && !value_.at("zip_data").is_null();
    const json& data = value_.at(packed ? "zip_data" : "raw_data");
    shard.path = packed ? path_of(data) : raw;
    if (packed) {
      const auto packing = packing_of(shard.path);
      check(packing == Packing::kZstd || packing == Packing::kGzip,
            concat("is packed with ", value_.value("compression", "?"),
                   "; zstd, gzip or none can be read: unpack it beside the packed file"));
    }
    BESSEMER_CHECK_DATA(fs::is_regular_file(shard.path), shard.path, ": is missing, index.json lists it");
    const uint64_t size = fs::file_size(shard.path), expected = number(data, "bytes");
    BESSEMER_CHECK_DATA(size == expected, shard.path, ": ", size, " bytes, index.json says ", expected,
                        "; it is truncated or of another data set, copy it again");
    const auto hashes = data.find("hashes");
    if (hashes != data.end()) shard.hashes = hashes->get<std::map<std::string, std::string>>();
  }

  std::string path_of(const json& data) const {
    const fs::path name = data.at("basename").get<std::string>();
    const bool outside = name.is_absolute() || std::find(name.begin(), name.end(), "..") != name.end();
    check(!outside && !name.empty(), concat("lies in '", name.string(), "', outside the directory"));
    return fs::path(directory_) / name;
  }

  MdsColumn column() const {
    const auto names = value_.at("column_names").get<std::vector<std::string>>();
    const auto encodings = value_.at("column_encodings").get<std::vector<std::string>>();
    const json& sizes = value_.at("column_sizes");
    check(names.size() == encodings.size() && sizes.is_array() && sizes.size() == names.size(),
          concat("has ", names.size(), " names, ", encodings.size(), " encodings and ", sizes.size(),
                 " sizes of columns; as many of each are expected"));
    const auto found = std::find(names.begin(), names.end(), options_.column);
    std::string all;
    for (const auto& name : names) all += (all.empty() ? "" : ", ") + name;
    BESSEMER_CHECK(found != names.end(), place(), "has no column '", options_.column,
                   "'; choose by --column one of: ", all);
    MdsColumn column;
    column.index = static_cast<std::size_t>(found - names.begin());
    for (const auto& size : sizes) {
      check(size.is_null() || size.is_number_unsigned(), concat("has a column of size ", size.dump()));
      column.sizes.push_back(size.is_null() ? std::nullopt : std::optional(size.get<uint64_t>()));
    }
    encoding(encodings[column.index], column);
    return column;
  }

  /// bytes, ndarray, ndarray:TYPE, ndarray:TYPE:SHAPE
  void encoding(const std::string& text, MdsColumn& column) const {
    if (text == "bytes") {
      BESSEMER_CHECK(options_.dtype, place(), "holds '", options_.column,
                     "' as bytes, which say no type; give it by --dtype (often i64 or u32)");
      column.element = options_.dtype;
      return;
    }
    const std::size_t type = text.find(':'), shape = type == std::string::npos ? type : text.find(':', type + 1);
    check(text.substr(0, type) == "ndarray",
          concat("holds '", options_.column, "' as ", text, ", which holds no ids; bytes or ndarray is expected"));
    BESSEMER_CHECK(!options_.dtype, "--dtype: ", place(), "holds '", options_.column, "' as ", text,
                   ", which says the type; leave it out");
    column.array = true, column.shape = shape == std::string::npos;
    if (type == std::string::npos) return;
    column.element = element_of(text.substr(type + 1, shape == std::string::npos ? shape : shape - type - 1));
    check(column.element.has_value(), concat("holds '", options_.column, "' as ", text, "; integers are expected"));
  }

  std::string directory_;
  std::size_t number_;
  const json& value_;
  const NeighbourOptions& options_;
};

}  // namespace

std::vector<MdsShard> read_mds_index(const std::string& directory, const NeighbourOptions& options) {
  const std::string path = directory + "/index.json";
  std::vector<MdsShard> shards;
  try {
    const json index = json::parse(read_file(path, kLargestIndex));
    BESSEMER_CHECK_DATA(index.is_object() && index.value("version", 0) == 2, path,
                        ": not of version 2 of Streaming's index; a list of shards is expected");
    for (const auto& entry : index.at("shards"))
      shards.push_back(Entry(directory, shards.size(), entry, options).read());
  } catch (const json::exception& error) {
    fail(ExitCode::kBadData, path, ": shard ", shards.size(), " is not the JSON that is expected: ", error.what());
  }
  BESSEMER_CHECK_DATA(!shards.empty(), path, ": lists no shards");
  return shards;
}

}  // namespace bessemer::data
