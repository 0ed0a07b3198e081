// MosaicML Streaming's data sets. The first byte says what the rest is: an index beside a good shard, or a shard (plain
// or packed) beside an index that fits it; the second how the column is encoded.
#include <cstring>
#include <nlohmann/json.hpp>

#include "data/neighbours/mds.h"
#include "tests/fuzz/neighbour_files.h"

namespace {

using nlohmann::json;

struct Encoding {
  const char* name;
  json size;
};

/// An index that says of the shard what is true of it, so that its bytes are read.
std::string index_for(std::string_view shard, const Encoding& encoding, bool packed, uint64_t unpacked) {
  uint32_t samples = 0;
  std::memcpy(&samples, shard.data(), std::min(shard.size(), sizeof samples));
  json entry{{"format", "mds"},
             {"version", 2},
             {"samples", packed ? 2 : samples},
             {"column_names", {"a", "tokens", "z"}},
             {"column_encodings", {"str", encoding.name, "int"}},
             {"column_sizes", {nullptr, encoding.size, 8}},
             {"raw_data", {{"basename", packed ? "none.mds" : "s.mds"}, {"bytes", unpacked}}},
             {"zip_data", nullptr}};
  if (packed) entry["zip_data"] = {{"basename", "s.mds.zstd"}, {"bytes", shard.size()}};
  return json{{"version", 2}, {"shards", {entry}}}.dump();
}

/// One sample of three ids.
constexpr std::string_view kGoodShard("\x01\0\0\0\x0e\0\0\0\x18\0\0\0{}\x06\0\0\0\x01\0\x02\0\x03\0", 24);

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  using namespace bessemer;
  if (size < 2) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 2, size - 2);
  const Encoding encodings[] = {
      {"bytes", nullptr}, {"ndarray", nullptr}, {"ndarray:uint16", nullptr}, {"ndarray:int32:2", 8}};
  const auto& encoding = encodings[data[1] % 4];
  auto options = fuzz::neighbour_options(data[1] / 4);
  const bool packed = data[0] % 3 == 2;
  std::string index;
  if (data[0] % 3 == 0) {
    fuzz::as_file(kGoodShard, "s.mds");
    index = rest;
  } else {
    fuzz::as_file(rest, packed ? "s.mds.zstd" : "s.mds");
    index = index_for(rest, encoding, packed, packed ? 62 : rest.size());
  }
  if (data[0] % 3 == 0 ? data[1] % 2 == 0 : data[1] % 4 == 0) options.dtype = data::element_of("u16");
  const std::string path = fuzz::as_file(index, "index.json");
  const std::string folder = path.substr(0, path.rfind('/'));
  fuzz::allow_refusal([&] { fuzz::read_all(data::open_mds(folder, options), options); });
  return 0;
}
