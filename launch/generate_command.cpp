#include <iostream>
#include <nlohmann/json.hpp>

#include "data/tokenizer.h"
#include "launch/arguments.h"
#include "launch/build.h"
#include "launch/commands.h"
#include "launch/job.h"
#include "models/generate.h"
#include "parallel/error.h"

namespace bessemer::launch {
namespace {

const std::vector<Flag>& flags() {
  static const std::vector<Flag> all{
      {"model", "PATH", "a run (its newest checkpoint), a checkpoint, or a directory of Hugging Face's", "", true},
      {"prompt", "TEXT", "what the text begins with", "", true},
      {"tokens", "N", "new tokens at most", "200"},
      {"temperature", "T", "logits are divided by it; 0: always the likeliest", "1"},
      {"top-k", "K", "only among the K likeliest; 0: all", "0"},
      {"top-p", "P", "only among the likeliest that together reach P", "1"},
      {"seed", "N", "the same seed gives the same text", "1337"},
      {"device", "NAME", "cpu or cuda", "cpu"},
      {"threads", "N", "compute threads; 0: all usable cores", "0"},
      {"json", "", "prompt, text and tokens as one JSON object"}};
  return all;
}

std::string help() {
  return "example:\n  bessemer generate --model runs/tiny --prompt 'Once upon' --tokens 100 --temperature 0.8\n\n"
         "Continues a text; the prompt and what follows go to stdout as they come.\n\n" +
         flags_help(flags());
}

models::SamplingOptions sampling(const Arguments& a, int64_t stop) {
  return {a.count("tokens"), a.real("temperature"), a.count("top-k"), a.fraction("top-p"), a.seed("seed"), stop};
}

int generate(const Words& words) {
  const Arguments a(words, flags());
  refuse_many_processes("generate");
  const Loaded loaded = load_model(a.text("model"), device_named(a.text("device")), a.count("threads"));
  BESSEMER_CHECK_DATA(!loaded.tokenizer.empty(), loaded.checkpoint, " holds no tokenizer; it cannot read a prompt");
  const auto tokenizer = data::load_tokenizer(loaded.tokenizer);
  const auto ids = tokenizer->encode(a.text("prompt"));
  const std::vector<int64_t> prompt(ids.begin(), ids.end());

  const auto decoder = tokenizer->decoder();
  const bool json = a.flag("json");
  std::string text;
  const auto say =
      [&](const std::string& piece) {  // the prompt goes before the first piece: a refusal leaves stdout empty
        if (!json) std::cout << (text.empty() ? a.text("prompt") : "") << piece << std::flush;
        text += piece;
      };
  const auto tokens = models::generate(*loaded.model, prompt, sampling(a, tokenizer->eod_id), [&](int64_t token) {
    say(decoder->next(static_cast<uint32_t>(token)));
    return static_cast<bool>(std::cout);
  });
  say(decoder->finish());
  if (!json) {
    say("\n");
    return 0;
  }
  const nlohmann::ordered_json out{{"model", loaded.checkpoint},
                                   {"step", loaded.step},
                                   {"prompt", a.text("prompt")},
                                   {"text", text},
                                   {"tokens", tokens}};
  // A model of bytes may end inside of a character; JSON has no such text.
  std::cout << out.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << "\n";
  return 0;
}

}  // namespace

std::vector<Command> generate_commands() {
  return {{"generate", "continue a text with a trained model", help, generate}};
}

}  // namespace bessemer::launch
