#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "data/import.h"
#include "data/neighbours/neighbour.h"
#include "launch/arguments.h"
#include "launch/commands.h"
#include "launch/progress_line.h"
#include "parallel/error.h"
#include "trainer/stop.h"

namespace bessemer::launch {
namespace {

using nlohmann::json;

const std::vector<Flag>& flags() {
  static const std::vector<Flag> all{
      {"input", "PATH", "token files, directories of them, 'patterns*'; for Megatron-LM also what stands before .bin",
       "", true, true},
      {"out", "DIR", "the directory to make", "", true},
      {"tokenizer", "SPEC",
       "the one that made the ids: bytes, gpt2:DIR, hf:FILE, wordpiece:FILE, sentencepiece:FILE, data:DIR", "", true},
      {"from", "FORMAT", "the inputs' format, named below; found out where the files tell it", ""},
      {"val-input", "PATH", "likewise, for the split val", "", false, true},
      {"split", "NAME", "what --input becomes: train, val or test", "train"},
      {"val-fraction", "SHARE", "of the tokens of --input, from their end, for validation", "0"},
      {"shard-tokens", "COUNT", "the most tokens in one shard", "512M"},
      {"eod-id", "ID", "files that know no documents: the id that ends one; without it each file is a document", ""},
      {"dtype", "TYPE", "type of ids in files without a header and in MDS's bytes: u8 to u64, i8 to i64", ""},
      {"column", "NAME", "MDS: the column that holds the ids", "tokens"},
      {"overwrite", "", "replace another data set in DIR"},
      {"json", "", "print one JSON object"}};
  return all;
}

std::string help() {
  std::string formats;
  for (const auto& format : data::neighbour_formats()) formats += fmt::format("  {:<16}{}\n", format.name, format.what);
  return "example:\n  bessemer data import --input train.bin --val-input val.bin --from nanogpt --eod-id 50256 \\\n"
         "      --tokenizer gpt2:models/gpt2 --out data/mine\n"
         "  bessemer data import --input my_text_document.bin --tokenizer hf:tokenizer.json --out data/mine\n\n"
         "Makes HDF5 token shards from token files of other programs. Every id is checked against the tokenizer before\n"
         "anything is written, the shards are read back and compared, and the directory appears when it is complete.\n\n"
         "usage: bessemer data import --input PATH... --out DIR --tokenizer SPEC\n" +
         flags_help(flags()) + "\nformats:\n" + formats;
}

data::ImportOptions options_of(const Arguments& a) {
  data::ImportOptions o;
  o.inputs = a.list("input"), o.val_inputs = a.list("val-input");
  o.from = a.text("from"), o.out = a.text("out"), o.tokenizer = a.text("tokenizer"), o.split = a.text("split");
  o.val_fraction = a.fraction("val-fraction"), o.shard_tokens = a.count("shard-tokens");
  if (a.has("eod-id")) o.eod_id = a.count("eod-id");
  o.dtype = a.text("dtype"), o.column = a.text("column"), o.overwrite = a.flag("overwrite");
  return o;
}

void print_json(const data::ImportOptions& options, const data::ImportResult& r) {
  json sets = json::array();
  for (const auto& set : r.sets) {
    sets.push_back({{"splits", set.splits},
                    {"tokens", set.tokens},
                    {"documents", set.documents},
                    {"empty_documents", set.empty_documents},
                    {"sha256", set.sha256}});
  }
  json all{{"out", options.out}, {"from", r.from},   {"dataset_id", r.dataset_id}, {"vocab_size", r.vocab_size},
           {"files", r.files},   {"imported", sets}, {"remarks", r.remarks},       {"already_there", r.already_there}};
  for (const auto& [split, tokens] : r.split_tokens) all[split + "_tokens"] = tokens;
  fmt::print("{}\n", all.dump());
}

void print(const data::ImportOptions& options, const data::ImportResult& r) {
  fmt::print("{} {}: {} file{} of {}, vocabulary of {} ({})\n", options.out,
             r.already_there ? "holds this import already" : "made", r.files, r.files == 1 ? "" : "s", r.from,
             r.vocab_size, options.tokenizer);
  for (const auto& set : r.sets) {
    fmt::print("{}: {} tokens, {} documents{}; SHA-256 of the tokens as {} {}\n", set.splits, set.tokens, set.documents,
               r.already_there ? "" : ", read back", r.vocab_size <= 65536 ? "u16" : "u32", set.sha256);
    if (set.empty_documents > 0)
      fmt::print("{}: {} documents without tokens left out\n", set.splits, set.empty_documents);
  }
}

int import(const Words& words) {
  const Arguments arguments(words, flags());
  const auto options = options_of(arguments);
  trainer::StopRequests stop(true);
  ProgressLine line;
  const auto result = data::import_tokens(options, [&](const data::BuildProgress& now) {
    line.show(now);
    return stop.poll().empty();
  });
  for (const auto& remark : result.remarks) fmt::print(stderr, "note: {}\n", remark);
  if (arguments.flag("json"))
    print_json(options, result);
  else
    print(options, result);
  return 0;
}

}  // namespace

std::vector<Command> data_import_commands() {
  return {{"data import", "makes token shards from token files of other programs", help, import}};
}

}  // namespace bessemer::launch
