#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>

#include "configs/values.h"
#include "data/build.h"
#include "data/file.h"
#include "data/shard_set.h"
#include "launch/arguments.h"
#include "launch/commands.h"
#include "parallel/error.h"
#include "trainer/stop.h"

namespace bessemer::launch {
namespace {

using nlohmann::json;
using Clock = std::chrono::steady_clock;

const Flag kJson{"json", "", "print one JSON object"};

const std::vector<Flag>& build_flags() {
  static const std::vector<Flag> flags{
      {"input", "PATH", "text files, directories of them, .jsonl files", "", true, true},
      {"out", "DIR", "the directory to make", "", true},
      {"tokenizer", "KIND", "bytes (256 ids, any file) or chars (the characters found; UTF-8)", "", true},
      {"val-fraction", "SHARE", "share of the tokens, from the end, for validation", "0.1"},
      {"shard-tokens", "COUNT", "the most tokens in one shard", "512M"},
      {"text-field", "NAME", "the field of a .jsonl line that holds its text", "text"},
      {"overwrite", "", "replace another data set in DIR"},
      kJson};
  return flags;
}

std::string build_help() {
  return "example:\n  bessemer data build --input texts/ more.jsonl --out data/mine --tokenizer chars --val-fraction 0.1\n\n"
         "Makes HDF5 token shards from text. A file is a document, or with .jsonl each line. The directory appears when it is\n"
         "complete, or not at all; equal inputs give equal shards. Memory does not grow with the text.\n\n"
         "usage: bessemer data build --input PATH... --out DIR --tokenizer bytes|chars\n" +
         flags_help(build_flags());
}

/// Draws progress: one line again and again on a terminal, else a line each ten seconds.
class BuildLine {
 public:
  void show(const data::BuildProgress& now) {
    if (now.phase != phase_) phase_ = now.phase, begin_ = last_ = Clock::now();
    const double since = seconds(last_), passed = seconds(begin_);
    const bool end = now.bytes == now.total_bytes;
    if (since < (terminal_ ? 0.2 : 10.0) && !(end && terminal_)) return;
    last_ = Clock::now();
    const double speed = static_cast<double>(now.bytes) / std::max(passed, 1e-9);
    const double left =
        static_cast<double>(now.total_bytes - std::min(now.bytes, now.total_bytes)) / std::max(speed, 1.0);
    fmt::print(stderr, "{}{} {:.1f} of {:.1f} MB | {:.1f} MB/s | {} tokens | {:.0f} s left{}", terminal_ ? "\r" : "",
               now.phase, static_cast<double>(now.bytes) / 1e6, static_cast<double>(now.total_bytes) / 1e6, speed / 1e6,
               now.tokens, left, terminal_ ? "   " : "\n");
    if (terminal_ && end) fmt::print(stderr, "\n");
  }

 private:
  static double seconds(Clock::time_point since) { return std::chrono::duration<double>(Clock::now() - since).count(); }
  const bool terminal_ = isatty(STDERR_FILENO) != 0;
  std::string phase_;
  Clock::time_point begin_{}, last_{};
};

int build(const Words& words) {
  const Arguments arguments(words, build_flags());
  data::BuildOptions options;
  options.inputs = arguments.list("input");
  options.out = arguments.text("out");
  options.tokenizer = arguments.text("tokenizer");
  options.val_fraction = arguments.fraction("val-fraction");
  options.shard_tokens = arguments.count("shard-tokens");
  options.text_field = arguments.text("text-field");
  options.overwrite = arguments.flag("overwrite");
  trainer::StopRequests stop(true);
  BuildLine line;
  const auto result = data::build(options, [&](const data::BuildProgress& now) {
    line.show(now);
    return stop.poll().empty();
  });
  for (const auto& file : result.skipped) fmt::print(stderr, "left out, no text: {}\n", file);
  if (arguments.flag("json")) {
    fmt::print("{}\n", json{{"out", options.out},
                            {"dataset_id", result.dataset_id},
                            {"train_tokens", result.train_tokens},
                            {"val_tokens", result.val_tokens},
                            {"documents", result.documents},
                            {"vocab_size", result.vocab_size},
                            {"files", result.files},
                            {"skipped", result.skipped},
                            {"already_there", result.already_there}}
                           .dump());
    return 0;
  }
  fmt::print("{} {}: {} train tokens, {} val tokens, {} documents, vocabulary of {} ({})\n", options.out,
             result.already_there ? "holds this build already" : "made", result.train_tokens, result.val_tokens,
             result.documents, result.vocab_size, options.tokenizer);
  return 0;
}

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
    uint64_t tokens = 0, documents = 0;
    json files = json::array();
    for (const auto& shard : data::open_shards(directory, split)) {
      const auto& f = shard.facts();
      if (all.is_null()) all = facts_json(f);
      tokens += f.tokens, documents += f.documents - (f.continues && f.index > 0);
      files.push_back({{"file", std::filesystem::path(shard.path()).filename()},
                       {"tokens", f.tokens},
                       {"documents", f.documents},
                       {"bytes", std::filesystem::file_size(shard.path())}});
    }
    all["splits"][split] = {{"tokens", tokens}, {"documents", documents}, {"shards", files}};
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
      for (const auto& shard : data::open_shards(directory, split)) attempt([&] { shard.verify(); });
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
  return {{"data build", "makes token shards from text", build_help, build},
          {"data info", "what a data set holds", info_help, info},
          {"data verify", "reads every byte of a data set and names what is wrong", verify_help, verify}};
}

}  // namespace bessemer::launch
