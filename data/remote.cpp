#include "data/remote.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "parallel/error.h"

namespace bessemer::data {
namespace {

using nlohmann::json;

struct RemoteSplit {
  std::vector<ShardFacts> facts;
  std::vector<RemoteShard> shards;
};

bool has_scheme(const std::string& path) {
  const auto end = path.find("://");
  return end != std::string::npos && end > 0 &&
         std::all_of(path.begin(), path.begin() + static_cast<std::ptrdiff_t>(end),
                     [](unsigned char c) { return std::isalnum(c) || c == '+' || c == '-' || c == '.'; });
}

/// Gives `read` the parsed dataset.json of a source.
template <class Read>
auto manifest_of(const ShardCache& cache, const std::string& source, const Read& read) {
  const std::string text = remote_manifest(cache, source);
  try {
    return read(json::parse(text));
  } catch (const json::exception& error) {
    fail(ExitCode::kBadData, source,
         "/dataset.json: not what this version of `bessemer data build` writes: ", error.what(),
         "; build the data set again");
  }
}

RemoteShard shard_of(const std::string& source, const json& one, const ShardFacts& facts) {
  RemoteShard shard{source, one.at("file"), one.at("bytes"), one.at("sha256")};
  const bool hash = shard.sha256.size() == 64 && std::all_of(shard.sha256.begin(), shard.sha256.end(),
                                                             [](unsigned char c) { return std::isxdigit(c); });
  const std::string expected = shard_name(facts.split, facts.index, facts.count);
  BESSEMER_CHECK_DATA(shard.file == expected && hash, source, "/dataset.json: names the shard '", shard.file,
                      "' with SHA-256 '", shard.sha256, "', ", expected, " and 64 hex digits are expected");
  return shard;
}

RemoteSplit split_of(const json& all, const std::string& source, const std::string& split) {
  const auto& splits = all.at("splits");
  std::string found;
  for (const auto& [name, ignored] : splits.items()) found += (found.empty() ? "" : ", ") + name;
  BESSEMER_CHECK_DATA(splits.contains(split), source, ": no split '", split, "'; splits found: ", found);
  const auto& one = splits.at(split);
  ShardFacts facts;
  facts.split = split, facts.dataset_id = all.at("dataset_id");
  facts.tokenizer_sha256 = all.at("tokenizer").at("sha256"), facts.vocab_size = all.at("tokenizer").at("vocab_size");
  facts.eod_id = one.at("eod_id"), facts.pad_id = one.at("pad_id");
  facts.loss_mask = one.at("loss_mask"), facts.sentences = one.value("sentences", false);
  facts.count = static_cast<uint32_t>(one.at("shards").size());
  RemoteSplit out;
  for (const auto& shard : one.at("shards")) {
    facts.tokens = shard.at("tokens"), facts.documents = shard.at("documents"), facts.continues = shard.at("continues");
    out.shards.push_back(shard_of(source, shard, facts));
    out.facts.push_back(facts);
    ++facts.index;
  }
  BESSEMER_CHECK_DATA(!out.shards.empty(), source, "/dataset.json: split '", split, "' has no shards");
  return out;
}

/// The shard that came is the one that dataset.json describes.
void check_facts(const TokenShard& shard, const ShardFacts& expected) {
  const auto& found = shard.facts();
  const auto same = [&](const char* what, const auto& here, const auto& there) {
    BESSEMER_CHECK_DATA(here == there, shard.path(), ": ", what, " is '", here, "', '", there, "' in its dataset.json");
  };
  same("dataset_id", found.dataset_id, expected.dataset_id);
  same("n_tokens", found.tokens, expected.tokens);
  same("n_docs", found.documents, expected.documents);
  same("first_doc_continues", found.continues, expected.continues);
  same("vocab_size", found.vocab_size, expected.vocab_size);
  same("loss_mask", found.loss_mask, expected.loss_mask);
  BESSEMER_CHECK_DATA(found.sentences || !expected.sentences, shard.path(),
                      ": has no sentence_offsets, which its dataset.json promises");
  same("tokenizer_sha256", found.tokenizer_sha256, expected.tokenizer_sha256);
}

}  // namespace

bool is_remote(const std::string& path, const DataOptions& options) {
  std::error_code ignored;
  return has_scheme(path) || (!options.fetch.empty() && !std::filesystem::is_directory(path, ignored));
}

std::shared_ptr<ShardCache> make_shard_cache(const DataOptions& options, int processes,
                                             std::shared_ptr<const std::atomic<bool>> stop) {
  if (options.fetch.empty()) return nullptr;
  BESSEMER_CHECK(!options.cache.empty(), "data.cache is empty; name the directory for fetched shards");
  FetchCommand command{options.fetch, options.fetch_timeout};
  command.stop = std::move(stop);
  return std::make_shared<ShardCache>(ShardCache::Options{
      std::move(command), options.cache, static_cast<uint64_t>(options.cache_gb * 1e9), std::max(1, processes)});
}

std::vector<std::string> remote_splits(const ShardCache& cache, const std::string& source) {
  return manifest_of(cache, source, [](const json& all) {
    std::vector<std::string> names;
    for (const auto& [name, ignored] : all.at("splits").items()) names.push_back(name);
    return names;
  });
}

std::string remote_manifest(const ShardCache& cache, const std::string& source) {
  return cache.json_text(source, "dataset.json");
}

ShardTokens open_remote(const std::shared_ptr<ShardCache>& cache, const std::string& source, const std::string& split,
                        BlockCheck check) {
  auto all = manifest_of(*cache, source, [&](const json& manifest) { return split_of(manifest, source, split); });
  uint64_t bytes = 0, largest = 0;
  for (const auto& shard : all.shards) bytes += shard.bytes, largest = std::max(largest, shard.bytes);
  cache->announce(bytes, largest);
  const std::string path = source + "/" + all.shards.front().file;
  auto open = [cache, check, shards = std::move(all.shards), facts = all.facts](std::size_t i) {
    auto shard = cache->open(shards[i], check);
    check_facts(*shard, facts[i]);
    return shard;
  };
  return {path, std::move(all.facts), std::move(open)};
}

std::unique_ptr<Tokenizer> remote_tokenizer(const ShardCache& cache, const std::string& source) {
  const std::string expected =
      manifest_of(cache, source, [](const json& all) { return all.at("tokenizer").at("sha256").get<std::string>(); });
  auto tokenizer = load_tokenizer(cache.json_text(source, "tokenizer/tokenizer.json"));
  BESSEMER_CHECK_DATA(tokenizer->sha256() == expected, source, "/tokenizer/tokenizer.json: its identity is ",
                      tokenizer->sha256(), ", dataset.json says ", expected);
  return tokenizer;
}

}  // namespace bessemer::data
