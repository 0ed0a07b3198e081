#include "trainer/manifest.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "data/crc32c.h"
#include "parallel/error.h"
#include "trainer/files.h"

namespace bessemer::trainer {
namespace {

using nlohmann::json;

constexpr int kVersion = 2;
constexpr const char* kFormat = "bessemer checkpoint";
constexpr const char* kRankFormat = "bessemer checkpoint rank";
// The text begins with its checksum, so that where the digits are does not depend on anything else.
constexpr std::string_view kBefore = "{\"crc32c\":\"";
constexpr std::size_t kDigits = 8;
constexpr int kDepth = 64;

json to_json(const FileRecord& record) {
  return {{"name", record.name}, {"size", record.size}, {"crc32c", record.crc32c}};
}

// Only names that we give: a checkpoint cannot point outside its directory. '0' stands for a digit.
bool is_name(std::string_view name, std::string_view shape) {
  return name.size() == shape.size() && std::equal(name.begin(), name.end(), shape.begin(), [](char c, char s) {
           return s == '0' ? c >= '0' && c <= '9' : c == s;
         });
}

FileRecord file_record(const json& j, std::string_view shape, const std::string& path) {
  FileRecord record{j.at("name").get<std::string>(), j.at("size").get<int64_t>(), {}};
  BESSEMER_CHECK_DATA(is_name(record.name, shape), path, ": names the file '", record.name,
                      "', which no checkpoint has");
  record.crc32c = j.at("crc32c").get<std::vector<uint32_t>>();
  const int64_t blocks = record.size < 0 ? -1 : record.size / kBlockBytes + (record.size % kBlockBytes != 0);
  BESSEMER_CHECK_DATA(blocks == static_cast<int64_t>(record.crc32c.size()), path, ": ", record.name, " of ",
                      record.size, " bytes has ", record.crc32c.size(), " checksums, expected ", blocks);
  return record;
}

/// \return the version.
int check_format(const json& j, const char* format, const std::string& path) {
  BESSEMER_CHECK_DATA(j.at("format").get<std::string>() == format, path, ": is no '", format, "' file");
  const int version = j.at("version").get<int>();
  const auto environment = j.value("environment", json::object());
  const std::string writer = environment.is_object() ? environment.value("bessemer", "") : "";
  BESSEMER_CHECK_DATA(version >= 1 && version <= kVersion, path, ": has format version ", version,
                      ", this program reads versions 1 to ", kVersion, "; use bessemer ",
                      writer.empty() ? "of the release that wrote it" : writer, " or later");
  return version;
}

// Parses and fills in; what is missing or of another type is an Error that names the file.
template <class Fill>
auto parse(const std::string& text, const std::string& path, const Fill& fill) {
  try {
    const auto shallow = [&](int depth, json::parse_event_t, json&) {
      BESSEMER_CHECK_DATA(depth <= kDepth, path, ": is nested more than ", kDepth, " deep");
      return true;
    };
    return fill(json::parse(text, shallow));
  } catch (const json::exception& error) {
    fail(ExitCode::kBadData, path, ": ", error.what());
  }
}

std::string dump(const json& j, const char* what) {
  try {
    return j.dump();
  } catch (const json::exception& error) {  // text that is not UTF-8
    fail(ExitCode::kBadData, "the ", what, " cannot be written as JSON: ", error.what());
  }
}

std::string checksum_of_rest(const std::string& text) {
  const std::size_t after = kBefore.size() + kDigits;
  const uint32_t before = data::crc32c(text.data(), kBefore.size());
  return fmt::format("{:08x}", data::crc32c(text.data() + after, text.size() - after, before));
}

std::string sealed(const json& j, const char* what) {
  std::string text = std::string(kBefore) + std::string(kDigits, '0') + "\"," + dump(j, what).substr(1) + "\n";
  return text.replace(kBefore.size(), kDigits, checksum_of_rest(text));
}

bool is_sealed(const std::string& text) { return text.size() > kBefore.size() + kDigits && text.starts_with(kBefore); }

void check_seal(const std::string& text, const std::string& path) {
  const std::string found = text.substr(kBefore.size(), kDigits);
  const std::string expected = checksum_of_rest(text);
  BESSEMER_CHECK_DATA(found == expected, path, ": is not as it was written: CRC32C ", expected, ", it says ", found);
}

StoredChunk stored_chunk(const json& c) {
  return {
      c.at("dataset").get<std::string>(), c.at("stored").get<std::string>(), c.at("shape").get<std::vector<int64_t>>(),
      c.at("dim").get<int64_t>(),         c.at("begin").get<int64_t>(),      c.at("end").get<int64_t>(),
      c.at("first").get<int64_t>(),       c.at("count").get<int64_t>(),      c.at("offset").get<int64_t>()};
}

}  // namespace

std::string to_text(const Manifest& m) {
  json j = {{"format", kFormat},          {"version", kVersion},      {"run_id", m.run_id},
            {"save_id", m.save_id},       {"step", m.step},           {"config", m.config},
            {"state", m.state},           {"tokenizer", m.tokenizer}, {"environment", m.environment},
            {"block_bytes", kBlockBytes}, {"read_back", m.read_back}};
  j["validation_loss"] = std::isfinite(m.validation_loss) ? json(m.validation_loss) : json();
  for (const FileRecord& record : m.rank_files) j["rank_files"].push_back(to_json(record));
  return sealed(j, "manifest");
}

Manifest parse_manifest(const std::string& text, const std::string& path) {
  BESSEMER_CHECK_DATA(is_sealed(text), path, ": is no manifest of a checkpoint (", text.size(), " bytes)");
  check_seal(text, path);
  return parse(text, path, [&](const json& j) {
    const int version = check_format(j, kFormat, path);
    const json& loss = j.at("validation_loss");
    Manifest m;
    m.save_id = j.at("save_id").get<std::string>();
    m.step = j.at("step").get<int64_t>();
    m.validation_loss = loss.is_null() ? std::nan("") : loss.get<double>();
    for (const json& record : j.at("rank_files")) m.rank_files.push_back(file_record(record, "rank-00000.json", path));
    m.state = j.at("state");
    BESSEMER_CHECK_DATA(m.state.is_object(), path, ": its state is no object");
    m.config = j.at("config").get<std::string>();
    m.tokenizer = j.at("tokenizer").get<std::string>();
    if (version == 1) return m;
    m.run_id = j.at("run_id").get<std::string>();
    m.environment = j.at("environment");
    m.read_back = j.at("read_back").get<bool>();
    return m;
  });
}

std::string manifest_text(const Directory& checkpoint) {
  BESSEMER_CHECK_DATA(checkpoint.size(kManifestName) >= 0, checkpoint.path(), ": is no checkpoint (it has no ",
                      kManifestName, ")");
  return checkpoint.read_text(kManifestName);
}

Manifest read_manifest(const Directory& checkpoint) {
  return parse_manifest(manifest_text(checkpoint), checkpoint.file(kManifestName));
}

std::string to_text(const RankFile& r) {
  json j = {{"format", kRankFormat},         {"version", kVersion},    {"run_id", r.run_id},
            {"save_id", r.save_id},          {"step", r.step},         {"rank", r.rank},
            {"file", to_json(r.shard.file)}, {"chunks", json::array()}};
  for (const StoredChunk& c : r.shard.chunks) {
    j["chunks"].push_back({{"dataset", c.dataset},
                           {"stored", c.stored},
                           {"shape", c.shape},
                           {"dim", c.dim},
                           {"begin", c.begin},
                           {"end", c.end},
                           {"first", c.first},
                           {"count", c.count},
                           {"offset", c.offset}});
  }
  return sealed(j, "rank file");
}

RankFile parse_rank_file(const std::string& text, const std::string& path) {
  if (is_sealed(text)) check_seal(text, path);
  return parse(text, path, [&](const json& j) {
    const int version = check_format(j, kRankFormat, path);
    BESSEMER_CHECK_DATA(version == 1 || is_sealed(text), path, ": has no checksum of its own");
    RankFile r;
    if (version > 1) r.run_id = j.at("run_id").get<std::string>();
    r.save_id = j.at("save_id").get<std::string>();
    r.step = j.at("step").get<int64_t>();
    r.rank = j.at("rank").get<int>();
    r.shard.file = file_record(j.at("file"), "shard-00000-of-00000.h5", path);
    for (const json& c : j.at("chunks")) r.shard.chunks.push_back(stored_chunk(c));
    return r;
  });
}

std::string rank_file_name(int rank) { return fmt::format("rank-{:05}.json", rank); }

std::string shard_name(int writer, int writers) { return fmt::format("shard-{:05}-of-{:05}.h5", writer, writers); }

}  // namespace bessemer::trainer
