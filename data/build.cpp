#include "data/build.h"

#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <ctime>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "data/file.h"
#include "data/sha256.h"
#include "data/shard_set.h"
#include "data/shard_sink.h"
#include "data/text_source.h"
#include "data/tokenizer.h"
#include "data/utf8.h"
#include "parallel/error.h"

namespace bessemer::data {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using Progress = std::function<bool(const BuildProgress&)>;

/// What the first reading finds.
struct Scan {
  std::vector<TextSource> sources;
  std::vector<std::string> skipped;
  uint64_t bytes = 0, tokens = 0, documents = 0;
  std::vector<bool> seen = std::vector<bool>(kCodePoints);  // characters, where they are wanted
};

void report(const Progress& progress, const BuildProgress& now) {
  if (!progress(now)) fail(ExitCode::kStopped, "stopped: nothing was written; start it again");
}

ReadOptions read_options(const BuildOptions& options) { return {options.tokenizer == "chars", options.text_field}; }

uint64_t count_characters(std::string_view text, std::vector<bool>& seen) {
  uint64_t count = 0;
  for (std::size_t at = 0; at < text.size(); ++count) {
    uint32_t code = 0;
    at +=
        static_cast<std::size_t>(decode_utf8(text.substr(at), code));  // checked by read_source, or by the JSON parser
    if (!seen[code]) seen[code] = true;
  }
  return count;
}

Scan scan(const BuildOptions& options, const Progress& progress) {
  Scan s;
  s.sources = find_sources(options.inputs, s.skipped);
  for (const auto& source : s.sources) s.bytes += source.bytes;
  BuildProgress now{"reading", 0, s.bytes, 0};
  const bool chars = options.tokenizer == "chars";
  for (auto& source : s.sources) {
    uint64_t in_document = 0;
    source.sha256 = read_source(source, read_options(options), [&](std::string_view text, uint64_t raw, bool end) {
      in_document += text.size();
      now.tokens += chars ? count_characters(text, s.seen) : text.size();
      now.bytes += raw;
      if (end) s.documents += in_document > 0, in_document = 0;
      report(progress, now);
    });
  }
  s.tokens = now.tokens;
  BESSEMER_CHECK_DATA(s.tokens > 0, options.inputs.front(), ": empty: no text in ", s.sources.size(), " file",
                      s.sources.size() == 1 ? "" : "s", "; at least one character is expected");
  return s;
}

std::unique_ptr<Tokenizer> make_tokenizer(const BuildOptions& options, const Scan& scan) {
  if (options.tokenizer == "bytes") return make_bytes_tokenizer();
  std::vector<std::string> characters;
  for (uint32_t code = 0; code < kCodePoints; ++code) {
    if (scan.seen[code]) characters.push_back(encode_utf8(code));
  }
  return make_chars_tokenizer(characters);
}

json sources_json(const Scan& scan) {
  json all = json::array();
  for (const auto& source : scan.sources)
    all.push_back({{"name", source.name}, {"sha256", source.sha256}, {"bytes", source.bytes}});
  return all;
}

/// Every shard names its sources; beyond a thousand it has their number and one hash, and dataset.json the list.
std::string sources_attribute(const Scan& scan) {
  const json all = sources_json(scan);
  if (all.size() <= 1000) return all.dump();
  return json::array({{{"name", concat(all.size(), " files")}, {"sha256", sha256(all.dump())}, {"bytes", scan.bytes}}})
      .dump();
}

std::string dataset_id(const BuildOptions& options, const Scan& scan, const Tokenizer& tokenizer) {
  const json all{{"format", "token-shard 1.0"},          {"sources", sources_json(scan)},
                 {"tokenizer", tokenizer.sha256()},      {"val_fraction", options.val_fraction},
                 {"shard_tokens", options.shard_tokens}, {"text_field", options.text_field}};
  return sha256(all.dump()).substr(0, 32);
}

ShardFacts common_facts(const std::string& id, const Scan& scan, const Tokenizer& tokenizer) {
  ShardFacts facts;
  facts.dataset_id = id;
  facts.tokenizer_name = facts.tokenizer_kind = tokenizer.kind();
  facts.tokenizer_sha256 = tokenizer.sha256();
  facts.vocab_size = static_cast<uint32_t>(tokenizer.vocab_size());
  facts.eod_id = tokenizer.eod_id;
  facts.source = sources_attribute(scan);
  return facts;
}

std::vector<ShardFacts> write_shards(const BuildOptions& options, const Scan& scan, const Tokenizer& tokenizer,
                                     ShardSink& sink, const Progress& progress) {
  BuildProgress now{"writing", 0, scan.bytes, 0};
  std::vector<uint32_t> ids;
  for (const auto& source : scan.sources) {
    read_source(source, read_options(options), [&](std::string_view text, uint64_t raw, bool end) {
      ids.clear();
      tokenizer.encode(text, ids);
      sink.append(ids);
      if (end) sink.end_document();
      now.bytes += raw, now.tokens += ids.size();
      report(progress, now);
    });
  }
  return sink.finish();
}

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

json manifest(const BuildOptions& options, const Scan& scan, const Tokenizer& tokenizer,
              const std::vector<ShardFacts>& shards, const std::string& directory) {
  json splits = json::object();
  for (const auto& facts : shards) {
    const std::string name = shard_name(facts.split, facts.index, facts.count);
    auto& split = splits[facts.split];
    if (split.is_null()) split = {{"tokens", 0}, {"documents", 0}, {"shards", json::array()}};
    split["tokens"] = split["tokens"].get<uint64_t>() + facts.tokens;
    split["documents"] = split["documents"].get<uint64_t>() + facts.documents;
    split["shards"].push_back({{"file", name},
                               {"tokens", facts.tokens},
                               {"documents", facts.documents},
                               {"bytes", fs::file_size(directory + "/" + name)},
                               {"sha256", sha256_of_file(directory + "/" + name)}});
  }
  return {{"format", "bessemer-dataset"},
          {"version", 1},
          {"dataset_id", shards.front().dataset_id},
          {"created", utc_now()},
          {"tokenizer",
           {{"kind", tokenizer.kind()}, {"vocab_size", tokenizer.vocab_size()}, {"sha256", tokenizer.sha256()}}},
          {"documents", scan.documents},
          {"splits", splits},
          {"sources", sources_json(scan)},
          {"options",
           {{"val_fraction", options.val_fraction},
            {"shard_tokens", options.shard_tokens},
            {"text_field", options.text_field}}}};
}

/// The directory under its temporary name; removed unless published.
class Workplace {
 public:
  explicit Workplace(const fs::path& out)
      : out_(out), temporary_(out.parent_path() / ("." + out.filename().string() + ".building")) {
    fs::create_directories(out_.parent_path());
    fs::remove_all(temporary_);  // what a killed build has left
    fs::create_directories(temporary_ / "tokenizer");
  }
  ~Workplace() {
    std::error_code ignored;  // a destructor has nobody to tell
    fs::remove_all(temporary_, ignored);
  }
  std::string path() const { return temporary_; }
  void publish() {
    sync_directory(temporary_ / "tokenizer");
    sync_directory(temporary_);
    const fs::path old = out_.parent_path() / ("." + out_.filename().string() + ".replaced");
    fs::remove_all(old);
    if (fs::exists(out_)) fs::rename(out_, old);
    fs::rename(temporary_, out_);
    sync_directory(out_.parent_path());
    fs::remove_all(old);
  }

 private:
  fs::path out_, temporary_;
};

/// Whether `out` holds this very build. Errors: Error (64) where it holds something that is not to be replaced.
bool already_built(const BuildOptions& options, const std::string& id) {
  const fs::path out = options.out;
  if (!fs::exists(out) || (fs::is_directory(out) && fs::is_empty(out))) return false;
  BESSEMER_CHECK(fs::exists(out / "dataset.json"), options.out,
                 ": exists and is no data set (no dataset.json); choose another --out");
  const json found = json::parse(read_file(out / "dataset.json"), nullptr, false);
  if (found.is_object() && found.value("dataset_id", "") == id) {
    try {
      for (const auto& split : splits_of(out)) open_shards(out, split);
      return true;
    } catch (const Error&) {
      if (options.overwrite) return false;  // the same build, but damaged
      throw;
    }
  }
  BESSEMER_CHECK(options.overwrite, options.out,
                 ": holds another data set; choose another --out, or replace it with --overwrite");
  return false;
}

void check(const BuildOptions& options) {
  BESSEMER_CHECK(!options.inputs.empty(), "--input is missing; give files or directories of text");
  BESSEMER_CHECK(!options.out.empty(), "--out is missing; give the directory to make");
  BESSEMER_CHECK(options.tokenizer == "bytes" || options.tokenizer == "chars", "--tokenizer '", options.tokenizer,
                 "' is unknown; choose bytes or chars");
  BESSEMER_CHECK(options.val_fraction >= 0 && options.val_fraction < 1, "--val-fraction ", options.val_fraction,
                 "; 0 or more and less than 1 is expected");
  BESSEMER_CHECK(options.shard_tokens >= 1, "--shard-tokens ", options.shard_tokens, "; at least 1 is expected");
}

}  // namespace

BuildResult build(const BuildOptions& given, const Progress& progress) {
  check(given);
  BuildOptions options = given;
  options.out = fs::absolute(fs::path(given.out) / "").parent_path().lexically_normal();  // "data/" and "data" are one
  const Scan found = scan(options, progress);
  const auto tokenizer = make_tokenizer(options, found);
  BuildResult result;
  result.dataset_id = dataset_id(options, found, *tokenizer);
  result.train_tokens = static_cast<uint64_t>(static_cast<double>(found.tokens) *
                                              (1 - options.val_fraction));  // as nanoGPT: int(n * 0.9)
  result.val_tokens = found.tokens - result.train_tokens;
  result.documents = found.documents;
  result.vocab_size = static_cast<uint64_t>(tokenizer->vocab_size());
  result.files = found.sources.size();
  result.skipped = found.skipped;
  result.already_there = already_built(options, result.dataset_id);
  if (result.already_there) return result;

  Workplace workplace(options.out);
  require_space(workplace.path() + "/", found.tokens * (result.vocab_size <= 65536 ? 2 : 4));
  ShardSink sink(workplace.path(), common_facts(result.dataset_id, found, *tokenizer), result.train_tokens,
                 result.val_tokens, static_cast<uint64_t>(options.shard_tokens));
  const auto shards = write_shards(options, found, *tokenizer, sink, progress);
  write_file(workplace.path() + "/tokenizer/tokenizer.json", tokenizer->json());
  write_file(workplace.path() + "/dataset.json",
             manifest(options, found, *tokenizer, shards, workplace.path()).dump(2) + "\n");
  workplace.publish();
  return result;
}

}  // namespace bessemer::data
