#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "data/export.h"
#include "launch/arguments.h"
#include "launch/commands.h"
#include "launch/progress_line.h"
#include "trainer/stop.h"

namespace bessemer::launch {
namespace {

using nlohmann::json;

const std::vector<Flag>& flags() {
  static const std::vector<Flag> all{
      {"to", "FORMAT", "megatron (PATH.bin and PATH.idx), nanogpt (ids as u16), llmc (llm.c, modded-nanogpt)", "",
       true},
      {"data", "DIR", "the data set", "", true},
      {"split", "NAME", "which part of it", "train"},
      {"out", "PATH", "the file to make; where llm.c needs several, PATH_000000.bin and so on", "", true},
      {"tokens-per-file", "COUNT", "llmc: the most tokens in one file; 0: 2147483647, the most that it can say", "0"},
      {"overwrite", "", "replace files"},
      {"json", "", "print one JSON object"}};
  return all;
}

std::string help() {
  return "example:\n  bessemer data export --to megatron --data data/mine --split train --out exported/train\n\n"
         "Writes the tokens of a data set as files of another program. They appear when they are complete, or not at all.\n"
         "Megatron-LM's keep the documents; the others know none but by the ids that end them.\n\n"
         "usage: bessemer data export --to FORMAT --data DIR --out PATH\n" +
         flags_help(flags());
}

int export_to(const Words& words) {
  const Arguments a(words, flags());
  data::ExportOptions options;
  options.to = a.choice<std::string>("to", {{"megatron", "megatron"}, {"nanogpt", "nanogpt"}, {"llmc", "llmc"}});
  options.data = a.text("data"), options.split = a.text("split"), options.out = a.text("out");
  options.tokens_per_file = a.count("tokens-per-file"), options.overwrite = a.flag("overwrite");
  trainer::StopRequests stop(true);
  ProgressLine line;
  const auto r = data::export_tokens(options, [&](const data::BuildProgress& now) {
    line.show(now);
    return stop.poll().empty();
  });
  if (r.loss_mask)
    fmt::print(stderr, "note: {} have no place for the loss mask of {}; it is left out\n",
               r.files.size() > 1 ? "these files" : "this file", options.data);
  if (a.flag("json")) {
    const json all{{"files", r.files},
                   {"tokens", r.tokens},
                   {"documents", r.documents},
                   {"vocab_size", r.vocab_size},
                   {"sha256", r.sha256}};
    fmt::print("{}\n", all.dump());
    return 0;
  }
  fmt::print("{}{} made: {} tokens, {} documents; SHA-256 of the tokens as {} {}\n", r.files.front(),
             r.files.size() > 1 ? fmt::format(" and {} more", r.files.size() - 1) : "", r.tokens, r.documents,
             r.vocab_size <= 65536 ? "u16" : "u32", r.sha256);
  return 0;
}

}  // namespace

std::vector<Command> data_export_commands() {
  return {{"data export", "writes a data set as token files of other programs", help, export_to}};
}

}  // namespace bessemer::launch
