#include "data/safetensors_header.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>

#include "parallel/error.h"

namespace bessemer::data {
namespace {

using nlohmann::json;

/// Reads a header event by event: a key that comes twice is seen, and nothing is built that the header only claims.
class HeaderEvents {
 public:
  using number_integer_t = json::number_integer_t;
  using number_unsigned_t = json::number_unsigned_t;
  using number_float_t = json::number_float_t;
  using string_t = json::string_t;
  using binary_t = json::binary_t;

  explicit HeaderEvents(const std::string& path) : path_(path) {}
  SafetensorsHeader take() { return std::move(header_); }

  bool start_object(std::size_t) {
    if (depth_ == 1 && !in_array_) field_.clear(), seen_.clear();
    refuse_unless(!in_array_ && ++depth_ <= 2, "an object too deep");
    return true;
  }
  bool end_object() {
    if (--depth_ == 1 && !metadata_) {
      for (const char* needed : {"dtype", "shape", "data_offsets"})
        refuse_unless(seen_.count(needed) != 0, concat("no ", needed));
    }
    return true;
  }
  bool key(string_t& name) {
    if (depth_ == 1) {
      refuse_twice(names_.insert(name).second, name);
      tensor_ = name;
      metadata_ = name == "__metadata__";
      if (!metadata_) header_.tensors.push_back({name, {}, {}});
      return true;
    }
    refuse_twice(seen_.insert(name).second, name);
    field_ = name;
    return true;
  }
  bool string(string_t& text) {
    if (depth_ == 2 && metadata_)
      header_.metadata[field_] = text;
    else if (depth_ == 2 && field_ == "dtype" && !in_array_)
      header_.tensors.back().dtype = text;
    else
      refuse_unless(false, "a text out of place");
    return true;
  }
  bool start_array(std::size_t) {
    const bool expected = depth_ == 2 && !metadata_ && !in_array_ && (field_ == "shape" || field_ == "data_offsets");
    refuse_unless(expected, "a list out of place");
    in_array_ = true, count_ = 0;
    return true;
  }
  bool end_array() {
    in_array_ = false;
    refuse_unless(field_ == "shape" || count_ == 2, concat(count_, " data_offsets, 2 are expected"));
    return true;
  }
  bool number_unsigned(number_unsigned_t value) {
    refuse_unless(in_array_, "a number out of place");
    SafeTensor& tensor = header_.tensors.back();
    if (field_ == "shape") {
      refuse_unless(value <= uint64_t{std::numeric_limits<int64_t>::max()}, concat("a dimension of ", value));
      tensor.shape.push_back(static_cast<int64_t>(value));
    } else {
      (count_ == 0 ? tensor.begin : tensor.end) = value;
    }
    ++count_;
    return true;
  }
  bool number_integer(number_integer_t value) { return refuse_unless(false, concat("the number ", value)); }
  bool number_float(number_float_t, const string_t& text) { return refuse_unless(false, "the number " + text); }
  bool null() { return refuse_unless(false, "a null"); }
  bool boolean(bool) { return refuse_unless(false, "a true or false"); }
  bool binary(binary_t&) { return refuse_unless(false, "binary"); }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception& error) {
    fail(ExitCode::kBadData, path_, ": its header is not JSON at byte ", position, ": ", error.what());
  }

 private:
  bool refuse_unless(bool good, const std::string& what) const {
    BESSEMER_CHECK_DATA(good, path_, ": its header has ", what, tensor_.empty() ? "" : " at tensor '" + tensor_ + "'",
                        ", which safetensors does not know");
    return true;
  }
  void refuse_twice(bool once, const std::string& name) const {
    BESSEMER_CHECK_DATA(once, path_, ": its header has '", name, "' twice",
                        depth_ == 2 ? " at tensor '" + tensor_ + "'" : "");
  }

  const std::string& path_;
  SafetensorsHeader header_;
  std::set<std::string> names_, seen_;
  std::string tensor_, field_;
  int depth_ = 0;
  bool metadata_ = false, in_array_ = false;
  std::size_t count_ = 0;
};

/// Bytes of the shape in the dtype; no product is trusted to fit.
uint64_t bytes_of(const SafeTensor& tensor, const std::string& where) {
  unsigned __int128 bits = static_cast<unsigned>(safetensors_bits(tensor.dtype, where));
  const bool empty = std::find(tensor.shape.begin(), tensor.shape.end(), 0) != tensor.shape.end();
  if (empty) return 0;
  for (const int64_t n : tensor.shape) {
    bits *= static_cast<uint64_t>(n);
    BESSEMER_CHECK_DATA(bits >> 66 == 0, where, ": its shape is larger than any file");
  }
  BESSEMER_CHECK_DATA(bits % 8 == 0, where, ": ", tensor.dtype, " of its shape ends inside of a byte");
  return static_cast<uint64_t>(bits / 8);
}

void check_coverage(const std::vector<SafeTensor>& tensors, uint64_t buffer_bytes, const std::string& path) {
  uint64_t at = 0;
  for (const SafeTensor& t : tensors) {
    const std::string where = path + ": tensor '" + t.name + "'";
    BESSEMER_CHECK_DATA(t.begin <= t.end && t.end <= buffer_bytes, where, ": its bytes [", t.begin, ", ", t.end,
                        ") are not in the file, which has ", buffer_bytes, " of them");
    BESSEMER_CHECK_DATA(t.begin == at, where, ": begins at byte ", t.begin, ", the one before it ends at ", at,
                        "; holes and overlaps are not allowed");
    const uint64_t wanted = bytes_of(t, where);
    BESSEMER_CHECK_DATA(t.bytes() == wanted, where, ": has ", t.bytes(), " bytes, its dtype and shape need ", wanted);
    at = t.end;
  }
  BESSEMER_CHECK_DATA(at == buffer_bytes, path, ": its tensors end at byte ", at, ", the file has ", buffer_bytes,
                      " behind the header; it is cut off, or something was appended");
}

}  // namespace

int safetensors_bits(const std::string& dtype, const std::string& where) {
  static const std::map<std::string, int> bits{
      {"BOOL", 8},    {"U8", 8},          {"I8", 8},      {"F8_E4M3", 8}, {"F8_E5M2", 8}, {"F8_E4M3FNUZ", 8},
      {"F8_E8M0", 8}, {"F8_E5M2FNUZ", 8}, {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"F4", 4},      {"I16", 16},
      {"U16", 16},    {"F16", 16},        {"BF16", 16},   {"I32", 32},    {"U32", 32},    {"F32", 32},
      {"F64", 64},    {"I64", 64},        {"U64", 64},    {"C64", 64}};
  const auto found = bits.find(dtype);
  BESSEMER_CHECK_DATA(found != bits.end(), where, ": dtype '", dtype, "' is none of safetensors'");
  return found->second;
}

SafetensorsHeader parse_safetensors_header(std::string_view text, uint64_t buffer_bytes, const std::string& path) {
  BESSEMER_CHECK_DATA(!text.empty() && text.front() == '{', path, ": its header does not begin with '{'; ",
                      "it is no safetensors file");
  HeaderEvents events(path);
  json::sax_parse(text.begin(), text.end(), &events);
  SafetensorsHeader header = events.take();
  std::sort(header.tensors.begin(), header.tensors.end(), [](const SafeTensor& a, const SafeTensor& b) {
    return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
  });
  check_coverage(header.tensors, buffer_bytes, path);
  return header;
}

std::string make_safetensors_header(std::vector<SafeTensor>& tensors,
                                    const std::map<std::string, std::string>& metadata) {
  std::sort(tensors.begin(), tensors.end(), [](const SafeTensor& a, const SafeTensor& b) {
    const int left = safetensors_bits(a.dtype, a.name), right = safetensors_bits(b.dtype, b.name);
    return left != right ? left > right : a.name < b.name;
  });
  auto all = nlohmann::ordered_json::object();
  if (!metadata.empty()) all["__metadata__"] = metadata;
  uint64_t at = 0;
  for (SafeTensor& t : tensors) {
    t.begin = at, t.end = at += bytes_of(t, "tensor '" + t.name + "'");
    all[t.name] = nlohmann::ordered_json{{"dtype", t.dtype}, {"shape", t.shape}, {"data_offsets", {t.begin, t.end}}};
  }
  std::string text = all.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  const uint64_t size = text.size();
  std::string out(sizeof size, '\0');
  std::memcpy(out.data(), &size, sizeof size);  // little-endian, as every machine that we build for
  return out + text;
}

}  // namespace bessemer::data
