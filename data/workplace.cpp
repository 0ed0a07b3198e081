#include "data/workplace.h"

#include <sys/file.h>

#include <ctime>
#include <nlohmann/json.hpp>

#include "data/sha256.h"
#include "data/shard_set.h"
#include "parallel/error.h"

namespace bessemer::data {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

/// Every shard names its sources; beyond a thousand it has their number and one hash, and dataset.json the list.
std::string sources_attribute(const json& all) {
  if (all.size() <= 1000) return all.dump();
  uint64_t bytes = 0;
  for (const auto& one : all) bytes += one.at("bytes").get<uint64_t>();
  return json::array({{{"name", concat(all.size(), " files")}, {"sha256", sha256(all.dump())}, {"bytes", bytes}}})
      .dump();
}

}  // namespace

Workplace::Workplace(const fs::path& out)
    : out_(out), temporary_(out.parent_path() / ("." + out.filename().string() + ".building")) {}

void Workplace::lock() {
  lock_.emplace(lock_path(), FileDescriptor::Mode::kCreate);
  BESSEMER_CHECK_ENV(::flock(lock_->get(), LOCK_EX | LOCK_NB) == 0, out_.string(),
                     ": another build is writing it; wait for its end, or choose another --out");
}

void Workplace::open(const std::string& plan) const {
  const fs::path file = temporary_ / "plan.json";
  if (!fs::exists(file) || read_file(file) != plan) fs::remove_all(temporary_);
  fs::create_directories(units());
  write_file(file, plan);
  fs::remove_all(data());
  fs::create_directories(data() + "/tokenizer");
}

void Workplace::publish() const {
  sync_directory(data() + "/tokenizer");
  sync_directory(data());
  const fs::path old = out_.parent_path() / ("." + out_.filename().string() + ".replaced");
  fs::remove_all(old);
  if (fs::exists(out_)) fs::rename(out_, old);
  fs::rename(data(), out_);
  sync_directory(out_.parent_path());
  fs::remove_all(old);
  remove();
}

void Workplace::remove() const {
  std::error_code ignored;  // nobody to tell
  fs::remove_all(temporary_, ignored);
  fs::remove(lock_path(), ignored);
}

std::string data_set_path(const std::string& given) {
  const fs::path out = fs::absolute(given).lexically_normal();
  return out.has_filename() ? out : out.parent_path();
}

bool already_made(const std::string& path, const std::string& dataset_id, bool overwrite) {
  const fs::path out = path;
  if (!fs::exists(out) || (fs::is_directory(out) && fs::is_empty(out))) return false;
  BESSEMER_CHECK(fs::exists(out / "dataset.json"), path,
                 ": exists and is no data set (no dataset.json); choose another --out");
  const json found = json::parse(read_file(out / "dataset.json"), nullptr, false);
  if (found.is_object() && found.value("dataset_id", "") == dataset_id) {
    try {
      for (const auto& split : splits_of(out)) open_shards(out, split);
      return true;
    } catch (const Error&) {
      if (overwrite) return false;  // the same, but damaged
      throw;
    }
  }
  BESSEMER_CHECK(overwrite, path, ": holds another data set; choose another --out, or replace it with --overwrite");
  return false;
}

ShardFacts common_facts(const std::string& dataset_id, const Tokenizer& tokenizer, const json& sources) {
  ShardFacts facts;
  facts.dataset_id = dataset_id;
  facts.tokenizer_name = facts.tokenizer_kind = tokenizer.kind();
  facts.tokenizer_sha256 = tokenizer.sha256();
  facts.vocab_size = static_cast<uint32_t>(tokenizer.vocab_size());
  facts.bos_id = tokenizer.bos_id, facts.pad_id = tokenizer.pad_id;
  facts.normalizer = tokenizer.normalizer();
  facts.source = sources_attribute(sources);
  return facts;
}

json splits_json(const std::vector<ShardFacts>& shards, const std::string& directory) {
  json splits = json::object();
  for (const auto& facts : shards) {
    const std::string path = directory + "/" + shard_name(facts.split, facts.index, facts.count);
    auto& split = splits[facts.split];
    if (split.is_null()) {
      split = {{"tokens", 0},
               {"documents", 0},
               {"eod_id", facts.eod_id},
               {"pad_id", facts.pad_id},
               {"loss_mask", facts.loss_mask},
               {"sentences", facts.sentences},
               {"shards", json::array()}};
    }
    split["tokens"] = split["tokens"].get<uint64_t>() + facts.tokens;
    if (facts.loss_mask) split["loss_tokens"] = split.value("loss_tokens", uint64_t{0}) + facts.loss_tokens;
    split["documents"] = split["documents"].get<uint64_t>() + facts.documents;
    split["shards"].push_back({{"file", fs::path(path).filename()},
                               {"tokens", facts.tokens},
                               {"documents", facts.documents},
                               {"continues", facts.continues},
                               {"bytes", fs::file_size(path)},
                               {"sha256", sha256_of_file(path)}});
  }
  return splits;
}

json tokenizer_json(const Tokenizer& tokenizer, const std::string& spec) {
  return {{"kind", tokenizer.kind()},
          {"vocab_size", tokenizer.vocab_size()},
          {"sha256", tokenizer.sha256()},
          {"spec", spec}};
}

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

}  // namespace bessemer::data
