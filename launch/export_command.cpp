#include <fmt/format.h>

#include <iostream>
#include <nlohmann/json.hpp>

#include "launch/arguments.h"
#include "launch/commands.h"
#include "launch/job.h"
#include "launch/model_files.h"
#include "models/presets.h"
#include "parallel/error.h"

namespace bessemer::launch {
namespace {

const std::vector<Flag>& flags() {
  static const std::vector<Flag> all{
      {"model", "PATH", "a run's directory (its newest checkpoint), one checkpoint, or a directory of Hugging Face's",
       "", true},
      {"out", "HF_DIR", "the directory to make", "", true},
      {"dtype", "TYPE", "of every tensor: fp32, bf16 or fp16; as imported, if it was, else fp32", ""},
      {"shard-bytes", "SIZE", "the most in one file", "5G"},
      {"json", "", "print one JSON object"}};
  return all;
}

std::string help() {
  return "example:\n  bessemer export --model runs/gpt2 --out hf/gpt2 --dtype bf16\n\n"
         "Writes a model as Hugging Face's libraries read it: config.json, safetensors, the tokenizer's files. The class is the\n"
         "one it was imported from, else the one that can hold its shape (GPT-2, Llama, Mistral, Qwen2, Qwen3, BERT, RoBERTa). Biases that GPT-2 has and the model\n"
         "has not are zero.\n\n" +
         flags_help(flags());
}

int export_model(const Words& words) {
  const Arguments a(words, flags());
  refuse_many_processes("export");
  trainer::ExportOptions how;
  how.out = a.text("out"), how.shard_bytes = static_cast<uint64_t>(a.bytes("shard-bytes"));
  if (a.has("dtype")) how.dtype = a.choice<const char*>("dtype", {{"fp32", "F32"}, {"bf16", "BF16"}, {"fp16", "F16"}});
  const ModelFiles files = open_model(a.text("model"));
  if (files.config.data.objective == data::ObjectiveKind::kPrefix)
    std::cerr
        << "warning: " << files.path
        << " learned to see all of a prefix (data.objective = prefix); Hugging Face's class sees each token's past alone\n";
  const auto done = trainer::export_pretrained(*files.weights, models::resolve(files.config.model), files.origin,
                                               files.beside, files.tokenizer, how);
  if (a.flag("json")) {
    fmt::print("{}\n", nlohmann::ordered_json{{"model", files.path},
                                              {"out", how.out},
                                              {"architecture", done.architecture},
                                              {"files", done.files},
                                              {"tensors", done.tensors},
                                              {"bytes", done.bytes}}
                           .dump(2));
    return 0;
  }
  std::string names;
  for (const auto& name : done.files) names += (names.empty() ? "" : ", ") + name;
  fmt::print("{}: {} of {}, {} tensors, {} bytes: {}\n", how.out, done.architecture, files.path, done.tensors,
             done.bytes, names);
  return 0;
}

}  // namespace

std::vector<Command> export_commands() {
  return {{"export", "a model as Hugging Face's libraries read it", help, export_model}};
}

}  // namespace bessemer::launch
