#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "configs/values.h"
#include "data/build.h"
#include "launch/arguments.h"
#include "launch/commands.h"
#include "launch/job.h"
#include "launch/machine.h"
#include "launch/progress_line.h"
#include "parallel/error.h"
#include "trainer/stop.h"

namespace bessemer::launch {
namespace {

using nlohmann::json;

const std::vector<Flag>& flags() {
  static const std::vector<Flag> all{
      {"input", "PATH", "text files and .jsonl, also .gz .zst .xz; directories, 'patterns*', @LIST of these", "", true,
       true},
      {"out", "DIR", "the directory to make", "", true},
      {"tokenizer", "SPEC",
       "bytes, chars (those found), gpt2:DIR, hf:FILE or a model's hf:DIR, wordpiece:FILE, sentencepiece:FILE, data:DIR",
       "", true},
      {"documents", "HOW", "what a text file holds: file (one document), lines, blank-lines (between documents)",
       "file"},
      {"field", "NAME", "the field of a .jsonl line that holds its text", "text"},
      {"split", "HOW", "tail (the last tokens are validation) or hash (each document by its text)", "tail"},
      {"val-fraction", "SHARE", "of the tokens (tail) or documents (hash), for validation", "0.1"},
      {"test-fraction", "SHARE", "likewise, for a test split", "0"},
      {"shard-tokens", "COUNT", "the most tokens in one shard", "512M"},
      {"eod", "HOW",
       "append (end each document, under --template plain each answer, with the tokenizer's token for it, if any) or none",
       "append"},
      {"special", "HOW", "texts of special tokens in the input: plain (text) or parse (the token)", "plain"},
      {"template", "NAME",
       "conversations in .jsonl (messages, or prompt and completion) written as chatml, llama3 or plain; the loss counts answers"},
      {"add-tokens", "", "special tokens of --template that the tokenizer has not get the ids behind its vocabulary"},
      {"sentences", "", "keep where each sentence begins (for BERT's pairs); sentences are encoded one by one"},
      {"dedup", "HOW", "none, or exact (of documents with the same text the first stays)", "none"},
      {"max-rejects", "COUNT", "documents that cannot be used; more end the build", "0"},
      {"memory", "SIZE", "for finding duplicates; each worker also holds a document's text, at most 64 MiB at once",
       "2G"},
      {"workers", "N", "threads; 0: all usable cores", "0"},
      {"licence", "TEXT", "of the texts, for the record", ""},
      {"overwrite", "", "replace another data set in DIR"},
      {"dry-run", "", "say what would be made, and how large"},
      {"json", "", "print one JSON object"}};
  return all;
}

std::string help() {
  return "example:\n  bessemer data build --input texts/ more.jsonl.zst --out data/mine --tokenizer gpt2:models/gpt2\n"
         "  mpirun -n 4 bessemer data build --input 'crawl/*.jsonl.gz' --out data/crawl --tokenizer hf:tokenizer.json\n"
         "  bessemer data build --input chats.jsonl --out data/chats --tokenizer hf:models/mine --template chatml --add-tokens --split hash\n\n"
         "Makes HDF5 token shards from text. The directory appears when it is complete, or not at all; equal inputs give equal\n"
         "shards, whatever the number of workers and ranks. Memory does not grow with the text. A build that was killed goes on\n"
         "where it was when the same command is given again.\n\n"
         "usage: bessemer data build --input PATH... --out DIR --tokenizer SPEC\n" +
         flags_help(flags());
}

data::BuildOptions options_of(const Arguments& a) {
  using data::Documents;
  data::BuildOptions o;
  o.inputs = a.list("input"), o.out = a.text("out"), o.tokenizer = a.text("tokenizer");
  o.documents = a.choice<Documents>(
      "documents", {{"file", Documents::kFile}, {"lines", Documents::kLines}, {"blank-lines", Documents::kBlankLines}});
  o.split_by = a.choice<data::SplitBy>("split", {{"tail", data::SplitBy::kTail}, {"hash", data::SplitBy::kHash}});
  o.append_eod = a.choice<bool>("eod", {{"append", true}, {"none", false}});
  o.chat = chat_template(a);
  BESSEMER_CHECK(!a.has("template") || !a.given("field"), "--field ", a.text("field"),
                 ": --template reads messages, or prompt and completion; leave it out");
  BESSEMER_CHECK(!a.has("template") || !a.given("documents"), "--documents ", a.text("documents"),
                 " is for text files, and --template for conversations, one a line; leave it out");
  o.add_tokens = a.flag("add-tokens");
  o.parse_special = a.choice<bool>("special", {{"plain", false}, {"parse", true}});
  o.drop_duplicates = a.choice<bool>("dedup", {{"none", false}, {"exact", true}});
  o.val_fraction = a.fraction("val-fraction"), o.test_fraction = a.fraction("test-fraction");
  o.shard_tokens = a.count("shard-tokens"), o.text_field = a.text("field");
  o.max_rejects = static_cast<uint64_t>(a.count("max-rejects"));
  o.memory = static_cast<uint64_t>(a.bytes("memory"));
  o.workers = a.count("workers") > 0 ? static_cast<int>(std::min<int64_t>(a.count("workers"), 1024)) : usable_cores();
  o.sentences = a.flag("sentences"), o.licence = a.text("licence"), o.overwrite = a.flag("overwrite"),
  o.dry_run = a.flag("dry-run");
  return o;
}

std::string split_text(const data::BuildResult& result) {
  std::string text;
  for (const auto& [split, tokens] : result.split_tokens) {
    if (tokens > 0) text += fmt::format("{} {} tokens, ", tokens, split);
  }
  return text;
}

void print_json(const data::BuildOptions& options, const data::BuildResult& r) {
  json all{{"out", options.out},
           {"dataset_id", r.dataset_id},
           {"documents", r.documents},
           {"duplicates", r.duplicates},
           {"vocab_size", r.vocab_size},
           {"text_bytes", r.text_bytes},
           {"loss_tokens", r.loss_tokens},
           {"added_tokens", r.added_tokens},
           {"files", r.files},
           {"skipped", r.skipped},
           {"rejected", r.rejected},
           {"replaced", r.replaced},
           {"resumed_units", r.resumed_units},
           {"already_there", r.already_there},
           {"dry_run", options.dry_run}};
  for (const auto& [split, tokens] : r.split_tokens) all[split + "_tokens"] = tokens;
  fmt::print("{}\n", all.dump());
}

void warn(const data::BuildResult& r) {
  for (const auto& file : r.skipped) fmt::print(stderr, "left out, no text: {}\n", file);
  for (const auto& reject : r.rejects)
    fmt::print(stderr, "left out, {}: {}{}: {}\n", reject.kind, reject.file,
               reject.line > 0 ? fmt::format(":{}", reject.line) : fmt::format(": byte {}", reject.byte),
               reject.message);
  if (r.rejected > r.rejects.size()) fmt::print(stderr, "... and {} more\n", r.rejected - r.rejects.size());
  if (r.replaced > 0)
    fmt::print(stderr, "warning: {} sequences of bytes that are not UTF-8 were taken as U+FFFD\n", r.replaced);
  if (r.forced > 0)
    fmt::print(
        stderr,
        "warning: documents of more than 64 MiB were cut in {} places, for this tokenizer reads a document whole\n",
        r.forced);
  if (r.resumed_units > 0)
    fmt::print(stderr, "went on where a build was ended: {} units of it were done already\n", r.resumed_units);
}

void print(const data::BuildOptions& options, const data::BuildResult& r) {
  if (options.dry_run) {
    const double tokens = static_cast<double>(r.split_tokens.at("all"));
    fmt::print("would make {}: about {:.3g} tokens from {} files (by a sample of their beginnings), {} shards, {}\n",
               options.out, tokens, r.files, 1 + static_cast<int64_t>(tokens) / options.shard_tokens,
               configs::bytes_text(tokens * (r.vocab_size <= 65536 ? 2 : 4)));
  } else {
    fmt::print("{} {}: {}{} documents, vocabulary of {} ({})\n", options.out,
               r.already_there ? "holds this build already" : "made", split_text(r), r.documents, r.vocab_size,
               options.tokenizer);
    for (const auto& [text, id] : r.added_tokens) fmt::print("the tokenizer got the special token {} ({})\n", text, id);
    if (r.loss_tokens > 0) fmt::print("{} of the tokens are answers; the loss counts these alone\n", r.loss_tokens);
    if (r.duplicates > 0) fmt::print("{} documents whose text was there already were dropped\n", r.duplicates);
  }
}

int build_as(const Words& words, const data::BuildPeers& peers) {
  const Arguments arguments(words, flags());
  const auto options = options_of(arguments);
  trainer::StopRequests stop(peers.size == 1);
  ProgressLine line;
  const auto result = data::build(
      options,
      [&](const data::BuildProgress& now) {
        if (peers.rank == 0) line.show(now);
        return stop.poll().empty();
      },
      peers);
  if (peers.rank != 0) return 0;
  warn(result);
  if (arguments.flag("json"))
    print_json(options, result);
  else
    print(options, result);
  return 0;
}

int build(const Words& words) {
  if (launched_processes() <= 1) return build_as(words, {});  // MPI is for those who ask for it
  return run_job("data build", words, [](const Words& again, parallel::World& world) {
    return build_as(again, {world.rank(), world.size(), [&] { world.group().barrier(); }});
  });
}

}  // namespace

std::vector<Command> data_build_commands() { return {{"data build", "makes token shards from text", help, build}}; }

}  // namespace bessemer::launch
