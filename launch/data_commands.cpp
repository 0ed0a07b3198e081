#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>

#include "configs/values.h"
#include "data/file.h"
#include "data/shard_set.h"
#include "data/tokenizer.h"
#include "launch/arguments.h"
#include "launch/commands.h"
#include "parallel/error.h"

namespace bessemer::launch {
namespace {

using nlohmann::json;

const Flag kJson{"json", "", "print one JSON object"};

std::string only_directory(const Arguments& arguments, const char* command) {
  BESSEMER_CHECK(arguments.positional().size() == 1, "bessemer ", command, " takes one DIR, got ",
                 arguments.positional().size(), "; see bessemer ", command, " --help");
  return arguments.positional().front();
}

std::string info_help() {
  return "example:\n  bessemer data info data/mine\n\n"
         "Shows the shards of a data set: splits, tokens, documents, tokenizer, sizes.\n\n"
         "usage: bessemer data info DIR [--json]\n" +
         flags_help({kJson});
}

json facts_json(const data::ShardFacts& f) {
  return {{"dataset_id", f.dataset_id},
          {"tokenizer", f.tokenizer_kind},
          {"tokenizer_sha256", f.tokenizer_sha256},
          {"vocab_size", f.vocab_size},
          {"eod_id", f.eod_id},
          {"bos_id", f.bos_id},
          {"pad_id", f.pad_id},
          {"normalizer", f.normalizer},
          {"dtype", data::name_of(f.dtype())}};
}

int info(const Words& words) {
  const Arguments arguments(words, {kJson}, {"DIR"});
  const std::string directory = only_directory(arguments, "data info");
  json all;
  const auto splits = data::splits_of(directory);
  BESSEMER_CHECK_DATA(!splits.empty(), directory, ": no token shards found; make them with `bessemer data build`");
  for (const auto& split : splits) {
    uint64_t tokens = 0, documents = 0, loss_tokens = 0;
    bool mask = false;
    json files = json::array();
    for (const auto& shard : data::open_shards(directory, split)) {
      const auto& f = shard.facts();
      if (all.is_null()) all = facts_json(f);
      mask = f.loss_mask, loss_tokens += f.loss_tokens;
      tokens += f.tokens, documents += f.documents - (f.continues && f.index > 0);
      files.push_back({{"file", std::filesystem::path(shard.path()).filename()},
                       {"tokens", f.tokens},
                       {"documents", f.documents},
                       {"bytes", std::filesystem::file_size(shard.path())}});
    }
    all["splits"][split] = {{"tokens", tokens}, {"documents", documents}, {"shards", files}};
    if (mask) all["splits"][split]["loss_tokens"] = loss_tokens;
  }
  if (arguments.flag("json")) {
    fmt::print("{}\n", all.dump());
    return 0;
  }
  fmt::print(
      "data set    {}\ntokenizer   {}, vocabulary of {}, sha256 {}\nspecial ids end of document {}, begin {}, padding {} (-1: none)\n\n",
      all["dataset_id"].get<std::string>(), all["tokenizer"].get<std::string>(), all["vocab_size"].get<int64_t>(),
      all["tokenizer_sha256"].get<std::string>(), all["eod_id"].get<int64_t>(), all["bos_id"].get<int64_t>(),
      all["pad_id"].get<int64_t>());
  fmt::print("{:<32} {:>16} {:>12} {:>12}\n", "shard", "tokens", "documents", "size");
  for (const auto& [split, found] : all["splits"].items()) {
    for (const auto& file : found["shards"]) {
      fmt::print("{:<32} {:>16} {:>12} {:>12}\n", file["file"].get<std::string>(), file["tokens"].get<uint64_t>(),
                 file["documents"].get<uint64_t>(), configs::bytes_text(file["bytes"].get<double>()));
    }
    fmt::print("{:<32} {:>16} {:>12}\n", split + " in all", found["tokens"].get<uint64_t>(),
               found["documents"].get<uint64_t>());
    if (found.contains("loss_tokens"))
      fmt::print("{:<32} {:>16}\n", split + " to be predicted", found["loss_tokens"].get<uint64_t>());
  }
  return 0;
}

std::string verify_help() {
  return "example:\n  bessemer data verify data/mine\n\n"
         "Reads every byte of a data set and names each file that is not as it was written. Exit code 65 if any is not.\n\n"
         "usage: bessemer data verify DIR [--json]\n" +
         flags_help({kJson});
}

/// SHA-256 of each shard as dataset.json has it; empty where there is none (shards made elsewhere).
std::map<std::string, std::string> listed_hashes(const std::string& directory) {
  std::map<std::string, std::string> hashes;
  const std::string path = directory + "/dataset.json";
  if (!std::filesystem::exists(path)) return hashes;
  try {
    const auto manifest = json::parse(data::read_file(path));
    for (const auto& [split, found] : manifest.at("splits").items()) {
      for (const auto& shard : found.at("shards")) hashes[shard.at("file")] = shard.at("sha256");
    }
  } catch (const json::exception& error) {
    fail(ExitCode::kBadData, path, ": not the JSON that is expected: ", error.what());
  }
  return hashes;
}

/// The tokenizer beside the shards, where there is one, is the one that made them.
void check_tokenizer(const std::string& directory, const data::TokenShard& shard) {
  if (!std::filesystem::exists(directory + "/tokenizer/tokenizer.json")) return;
  const std::string found = data::open_tokenizer(directory)->sha256();
  BESSEMER_CHECK_DATA(found == shard.facts().tokenizer_sha256, directory, "/tokenizer/tokenizer.json: its identity is ",
                      found, ", ", shard.path(), " says ", shard.facts().tokenizer_sha256);
}

int verify(const Words& words) {
  const Arguments arguments(words, {kJson}, {"DIR"});
  const std::string directory = only_directory(arguments, "data verify");
  std::vector<std::string> problems;
  const auto attempt = [&](const auto& act) {
    try {
      act();
    } catch (const Error& error) {
      problems.push_back(error.what());
    }
  };
  const auto splits = data::splits_of(directory);
  BESSEMER_CHECK_DATA(!splits.empty(), directory, ": no token shards found; make them with `bessemer data build`");
  attempt([&] {
    for (const auto& [file, hash] : listed_hashes(directory)) {
      attempt([&, &name = file, &expected = hash] {
        const std::string path = directory + "/" + name, found = data::sha256_of_file(path);
        BESSEMER_CHECK_DATA(found == expected, path, ": SHA-256 is ", found, ", dataset.json says ", expected);
      });
    }
  });
  for (const auto& split : splits) {
    attempt([&] {
      for (const auto& shard : data::open_shards(directory, split)) {
        attempt([&] { shard.verify(); });
        if (&split == &splits.front() && shard.facts().index == 0) attempt([&] { check_tokenizer(directory, shard); });
      }
    });
  }
  if (arguments.flag("json"))
    fmt::print("{}\n", json{{"path", directory}, {"good", problems.empty()}, {"problems", problems}}.dump());
  else if (problems.empty())
    fmt::print("good    {}\n", directory);
  else
    for (const auto& problem : problems) fmt::print("broken  {}\n", problem);
  return static_cast<int>(problems.empty() ? ExitCode::kDone : ExitCode::kBadData);
}

}  // namespace

std::vector<Command> data_commands() {
  return {{"data info", "what a data set holds", info_help, info},
          {"data verify", "reads every byte of a data set and names what is wrong", verify_help, verify}};
}

}  // namespace bessemer::launch
