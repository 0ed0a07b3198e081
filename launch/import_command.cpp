#include <ATen/core/Tensor.h>
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "configs/text.h"
#include "launch/arguments.h"
#include "launch/commands.h"
#include "launch/environment.h"
#include "launch/job.h"
#include "launch/model_files.h"
#include "models/model.h"
#include "parallel/error.h"
#include "trainer/files.h"
#include "trainer/pretrained_import.h"

namespace bessemer::launch {
namespace {

using Line = trainer::PretrainedReader::Line;

const std::vector<Flag>& flags() {
  static const std::vector<Flag> all{
      {"out", "DIR", "the directory to make: a checkpoint that --model and run.init_from take", "", true},
      {"allow-missing", "PATTERN", "names that may be missing, or be unknown; '*' stands for any text", "", false,
       true},
      {"seed", "N", "of the values that are missing", "1337"},
      {"json", "", "print one JSON object"}};
  return all;
}

std::string help() {
  return "example:\n  bessemer import models/gpt2 --out runs/gpt2\n"
         "  bessemer train runs/gpt2/model.ini --run.init_from=runs/gpt2 --data.path=data/mine --run.dir=runs/tuned\n\n"
         "Makes a checkpoint from a model of Hugging Face's (config.json, safetensors, tokenizer): GPT-2, Llama, Mistral,\n"
         "Qwen2, Qwen3, BERT, RoBERTa. Says what\n"
         "became of every tensor: used, ignored (why), missing (how its values are made). DIR/model.ini has its shape.\n\n"
         "usage: bessemer import HF_DIR --out DIR\n" +
         flags_help(flags());
}

const char* word(Line::Fate fate) {
  return fate == Line::Fate::kUsed ? "used" : fate == Line::Fate::kIgnored ? "ignored" : "missing";
}

std::string joined(const std::vector<std::string>& words) {
  std::string all;
  for (const auto& w : words) all += (all.empty() ? "" : ", ") + w;
  return all;
}

void print_table(const std::vector<Line>& lines) {
  std::size_t width = 0;
  for (const auto& line : lines) width = std::max(width, line.tensor.size());
  for (const auto& line : lines) {
    std::string shape;
    for (const int64_t n : line.shape) shape += fmt::format("{}{}", shape.empty() ? "" : " x ", n);
    const std::string what = line.fate == Line::Fate::kIgnored ? line.why
                             : line.fate == Line::Fate::kUsed  ? joined(line.names)
                                                               : joined(line.names) + ": " + line.why;
    fmt::print("{:<8} {:<{}}  {:<5} {:<14} {}\n", word(line.fate), line.tensor, width, line.dtype, shape, what);
  }
}

/// The shape alone, for runs that begin from these weights.
std::string model_section(const configs::RunConfig& config) {
  std::string out = "[model]\n";
  for (const auto& [name, assignment] : configs::assignments(configs::to_text(config))) {
    if (name.starts_with("model.")) out += assignment.substr(std::string("model.").size()) + "\n";
  }
  return out;
}

int import(const Words& words) {
  const Arguments a(words, flags(), {"HF_DIR"});
  refuse_many_processes("import");
  BESSEMER_CHECK(a.positional().size() == 1, "HF_DIR is missing: the directory with config.json and model.safetensors");
  auto opened = std::make_unique<trainer::PretrainedReader>(trainer::PretrainedReader::open(a.positional().front()));
  const auto& reader = *opened;
  const auto lines = reader.settle(a.list("allow-missing"));
  ModelFiles files = open_pretrained(std::move(opened), lines);
  files.config.run.dir = a.text("out"), files.config.run.seed = a.seed("seed");

  const auto model = models::make_model(files.config.model, {}, false);
  const auto run = trainer::RunDirectory::claim(a.text("out"));
  run.refuse_if_used();
  const std::string checkpoint = trainer::import_pretrained(
      reader, *model, run,
      {configs::to_text(files.config), files.tokenizer, environment(at::kCPU, true), *files.origin, a.seed("seed")});
  trainer::write_text_atomically(run.file("model.ini"), model_section(files.config));
  const auto count = [&](Line::Fate fate) {
    return std::count_if(lines.begin(), lines.end(), [&](const Line& line) { return line.fate == fate; });
  };
  if (a.flag("json")) {
    nlohmann::ordered_json table = nlohmann::ordered_json::array();
    for (const auto& line : lines)
      table.push_back({{"tensor", line.tensor},
                       {"fate", word(line.fate)},
                       {"dtype", line.dtype},
                       {"shape", line.shape},
                       {"names", line.names},
                       {"why", line.why}});
    fmt::print("{}\n", nlohmann::ordered_json{{"checkpoint", checkpoint}, {"tensors", table}}.dump(2));
    return 0;
  }
  print_table(lines);
  fmt::print("{}: {} tensors used, {} ignored, {} missing; {}\n", checkpoint, count(Line::Fate::kUsed),
             count(Line::Fate::kIgnored), count(Line::Fate::kMissing),
             files.tokenizer.empty() ? "without a tokenizer: ids go in and out, and no text" : "with its tokenizer");
  return 0;
}

}  // namespace

std::vector<Command> import_commands() {
  return {{"import", "a checkpoint from a model of Hugging Face's", help, import}};
}

}  // namespace bessemer::launch
