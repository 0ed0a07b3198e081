#pragma once
#include <cstdint>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "data/build.h"
#include "data/mixture.h"
#include "tests/support/temporary_directory.h"
#include "trainer/checkpoint_reader.h"
#include "trainer/run_directory.h"

namespace bessemer::tests {

/// Words in an order that a small model learns something of: the text of every test that trains on files.
inline std::string some_text(int64_t words, uint64_t seed = 1) {
  static const char* const list[] = {"the", "model", "learns", "a",      "word",    "from", "two", "before",
                                     "it",  "and",   "then",   "speaks", "Quietly", "of",   "7",   "rivers"};
  std::string text;
  uint64_t x = seed, word = 0;
  for (int64_t i = 0; i < words; ++i) {
    x = x * 6364136223846793005u + 1442695040888963407u;
    word = (word * 5 + (x >> 40) % 3) % 16;
    text += list[word];
    text += i % 11 == 10 ? ".\n" : " ";
  }
  return text;
}

/// Token shards of characters, of which there are an odd number, in DIR/data.
inline std::string make_data(const TemporaryDirectory& directory, const std::string& name = "data", uint64_t seed = 1,
                             int64_t words = 3000, int64_t shard_tokens = 512'000'000) {
  const std::string text = directory.file(name + ".txt");
  std::ofstream(text) << some_text(words, seed);
  data::BuildOptions options;
  options.inputs = {text}, options.out = directory.file(name), options.tokenizer = "chars";
  options.shard_tokens = shard_tokens;
  data::build(options, [](const data::BuildProgress&) { return true; });
  return options.out;
}

/// Such a directory as a run reads it, with its validation split.
inline data::Mixture open_data(const std::string& directory, int64_t sequence) {
  data::DataOptions options;
  options.path = directory;
  return data::Mixture::open(options, sequence, true);
}

/// What must be the same bits in two runs, a line of metrics.jsonl each: loss, grad_norm, lr, loss_scale, tokens,
/// eval_loss.
inline std::vector<std::string> metric_bits(const std::string& run) {
  std::vector<std::string> out;
  std::ifstream file(run + "/metrics.jsonl");
  for (std::string line; std::getline(file, line);) {
    const auto json = nlohmann::json::parse(line);
    nlohmann::ordered_json kept;
    for (const char* name : {"step", "loss", "loss_nonfinite", "grad_norm", "grad_norm_nonfinite", "lr", "loss_scale",
                             "tokens", "skipped", "eval_loss"}) {
      if (json.contains(name)) kept[name] = json[name];
    }
    out.push_back(kept.dump());
  }
  return out;
}

/// Loss, or any other number, of each step.
inline std::map<int64_t, double> metric(const std::string& run, const char* name) {
  std::map<int64_t, double> out;
  std::ifstream file(run + "/metrics.jsonl");
  for (std::string line; std::getline(file, line);) {
    const auto json = nlohmann::json::parse(line);
    if (json.contains(name) && !json[name].is_null()) out[json["step"]] = json[name];
  }
  return out;
}

/// Weights, momentum and variance of a checkpoint, by name.
inline std::map<std::string, std::vector<float>> checkpoint_tensors(const std::string& path) {
  const auto reader = trainer::CheckpointReader::open(path, trainer::Verify::kAll);
  std::map<std::string, std::vector<float>> out;
  for (const auto& name : reader.datasets()) {
    int64_t count = 1;
    for (const int64_t d : reader.shape(name)) count *= d;
    auto& values = out[name];
    values.resize(static_cast<std::size_t>(count));
    reader.read(name, values.data());
  }
  return out;
}

inline std::string checkpoint_path(const std::string& run, int64_t step) {
  return run + "/" + trainer::RunDirectory::step_name(step);
}

/// One-line verdict: "" where two runs are the same bits in metrics and in the checkpoint of `step`.
inline std::string difference(const std::string& run, const std::string& want, int64_t step) {
  const auto a = metric_bits(run), b = metric_bits(want);
  if (a.size() != b.size())
    return run + " has " + std::to_string(a.size()) + " metrics, " + want + " " + std::to_string(b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i] != b[i]) return "line " + std::to_string(i + 1) + ": " + a[i] + " is not " + b[i];
  }
  const auto x = checkpoint_tensors(checkpoint_path(run, step)), y = checkpoint_tensors(checkpoint_path(want, step));
  if (x.size() != y.size() || x.empty()) return "other tensors";
  for (const auto& [name, values] : x) {
    if (!y.contains(name) || values != y.at(name)) return "tensor " + name + " differs";
  }
  const auto scalars = [](const std::string& path) { return trainer::CheckpointReader::open(path).state().dump(); };
  const auto state = scalars(checkpoint_path(run, step)), wanted = scalars(checkpoint_path(want, step));
  return state == wanted ? "" : state + " is not " + wanted;
}

}  // namespace bessemer::tests
