#include <ATen/Functions.h>
#include <fmt/format.h>

#include <cmath>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>

#include "data/corpus.h"
#include "data/loader.h"
#include "data/mixture.h"
#include "data/objective.h"
#include "data/shard_set.h"
#include "data/tokenizer.h"
#include "launch/arguments.h"
#include "launch/build.h"
#include "launch/commands.h"
#include "launch/job.h"
#include "parallel/error.h"

namespace bessemer::launch {
namespace {

const std::vector<Flag>& flags() {
  static const std::vector<Flag> all{
      {"model", "PATH", "a run (its newest checkpoint), a checkpoint, or a directory of Hugging Face's", "", true},
      {"data", "DIR", "directory of token shards, of the same tokenizer", "", true},
      {"split", "NAME", "which part of it", "val"},
      {"windows", "N", "only so many sequences from its beginning; 0: all", "0"},
      {"batch", "N", "sequences per forward", "8"},
      {"device", "NAME", "cpu or cuda", "cpu"},
      {"threads", "N", "compute threads; 0: all usable cores", "0"},
      {"json", "", "as one JSON object"}};
  return all;
}

std::string help() {
  return "example:\n  bessemer eval --model runs/tiny --data data/tiny --split val\n\n"
         "Loss (nats per token), perplexity and bits per byte of text (gpt), or loss and accuracy of masked tokens (bert), over a\n"
         "split, cut into rows as the run's data.mode has it.\n\n" +
         flags_help(flags());
}

struct Mean {
  double sum = 0;
  int64_t weight = 0;
  bool part = false;
  void add(const models::Term& term) { sum += term.sum.item<double>(), weight += term.weight, part = term.part; }
  double value() const { return sum / static_cast<double>(std::max<int64_t>(1, weight)); }
};

struct Sums {
  std::map<std::string, Mean> terms;
  double loss = 0;
  int64_t tokens = 0;
  /// Mean over the tokens, or, of several losses, the sum of their means.
  double mean_loss() const {
    double sum_of_parts = 0;
    bool parts = false;
    for (const auto& [name, mean] : terms) {
      if (mean.part) sum_of_parts += mean.value(), parts = true;
    }
    return parts ? sum_of_parts : loss / static_cast<double>(tokens);
  }
  /// Of the tokens alone.
  double token_loss() const {
    const auto tokens_alone = terms.find("mlm_loss");
    return tokens_alone != terms.end() ? tokens_alone->second.value() : mean_loss();
  }
  int64_t bytes = 0;  ///< of text that the counted tokens stand for
};

/// How many bytes of text each token stands for.
std::vector<int64_t> token_bytes(const data::Tokenizer& tokenizer) {
  std::vector<int64_t> out;
  for (int64_t id = 0; id < tokenizer.vocab_size(); ++id)
    out.push_back(static_cast<int64_t>(tokenizer.token(static_cast<uint32_t>(id)).size()));
  return out;
}

/// Of text that the counted next tokens stand for.
int64_t predicted_bytes(data::Rows rows, const data::Objective& objective, const std::vector<int64_t>& bytes) {
  data::apply(objective, rows);
  const auto s = static_cast<std::size_t>(rows.sequence);
  int64_t sum = 0;
  for (std::size_t i = 0; i < rows.rows.size() * s; ++i) {
    if (rows.counted.empty() || rows.counted[i] != 0)
      sum += bytes.at(static_cast<std::size_t>(rows.tokens[i / s * (s + 1) + i % s + 1]));
  }
  return sum;
}

Sums evaluate(const Loaded& loaded, const data::Corpus& corpus, int64_t windows, int64_t batch,
              const data::Tokenizer& tokenizer) {
  const at::NoGradGuard no_grad;
  const auto bytes = token_bytes(tokenizer);
  const auto objective = data::make_objective(loaded.config.data, tokenizer, loaded.config.run.seed);
  const at::Device device = loaded.model->parameters().front()->value.device();
  Sums sums;
  for (int64_t first = 0; first < windows; first += batch) {
    std::vector<data::RowPlace> places;
    for (int64_t w = first; w < std::min(first + batch, windows); ++w) places.push_back({&corpus, w, w});
    const auto rows = data::read_rows(places, corpus.sequence(), loaded.config.run.seed);
    if (objective.kind != data::ObjectiveKind::kMasked) sums.bytes += predicted_bytes(rows, objective, bytes);
    const auto loss = loaded.model->loss(data::make_batch(rows, objective, device), {loaded.config.run.seed, 0, false});
    sums.loss += loss.sum.item<double>();
    sums.tokens += loss.weight;
    for (const auto& term : loss.terms) sums.terms[term.name].add(term);
  }
  return sums;
}

int eval(const Words& words) {
  const Arguments a(words, flags());
  refuse_many_processes("eval");
  const Loaded loaded = load_model(a.text("model"), device_named(a.text("device")), a.count("threads"));
  BESSEMER_CHECK(a.count("batch") > 0, "--batch is 0; choose at least 1");
  data::DataOptions options = loaded.config.data;
  options.path = a.text("data"), options.blend.clear(), options.fetch.clear();
  options.verify = data::BlockCheck::kTouch;
  const auto corpus =
      data::Corpus::open(options.path, a.text("split"), data::cut_of(options, loaded.config.model.sequence));
  const auto tokenizer = data::open_tokenizer(a.text("data"));
  const bool same = loaded.tokenizer.empty() || data::load_tokenizer(loaded.tokenizer)->sha256() == tokenizer->sha256();
  BESSEMER_CHECK_DATA(same, a.text("data"), " was made with another tokenizer than ", loaded.checkpoint,
                      "; build it with the same one");
  const int64_t asked = a.count("windows");
  const int64_t windows = asked > 0 ? std::min(asked, corpus->rows()) : corpus->rows();
  const Sums sums = evaluate(loaded, *corpus, windows, a.count("batch"), *tokenizer);

  BESSEMER_CHECK_DATA(sums.tokens > 0, a.text("data"), ": no target of these ", windows,
                      " sequences counts: their loss_mask is 0, or their documents have one token each; take more "
                      "(--windows), or other data");
  const double loss = sums.mean_loss();
  BESSEMER_CHECK_DATA(std::isfinite(loss), loaded.checkpoint, " gives a loss of ", loss,
                      "; `bessemer ckpt verify` says whether its bytes are good");
  nlohmann::ordered_json out{
      {"model", loaded.checkpoint}, {"step", loaded.step}, {"split", a.text("split")},
      {"tokens", sums.tokens},      {"loss", loss},        {"perplexity", std::exp(sums.token_loss())}};
  std::string text = fmt::format("loss {:.4f} | perplexity {:.3f}", loss, std::exp(sums.token_loss()));
  if (loaded.config.data.objective != data::ObjectiveKind::kMasked) {
    out["bits_per_byte"] = sums.loss / std::log(2.0) / static_cast<double>(sums.bytes);
    text += fmt::format(" | bits per byte {:.4f}", out["bits_per_byte"].get<double>());
  }
  for (const auto& [name, mean] : sums.terms) {
    out[name] = mean.value();
    text += fmt::format(" | {} {:.4f}", name, mean.value());
  }
  if (a.flag("json"))
    std::cout << out.dump(2) << "\n";
  else
    std::cout << fmt::format("{} | {} tokens of {} | {}\n", text, sums.tokens, a.text("split"), loaded.checkpoint);
  return 0;
}

}  // namespace

std::vector<Command> eval_commands() {
  return {{"eval", "loss, perplexity and bits per byte of a model on data", help, eval}};
}

}  // namespace bessemer::launch
