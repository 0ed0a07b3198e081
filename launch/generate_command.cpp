#include <fmt/format.h>

#include <deque>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>

#include "data/chat.h"
#include "data/chat_lines.h"
#include "data/tokenizer.h"
#include "launch/arguments.h"
#include "launch/build.h"
#include "launch/commands.h"
#include "launch/job.h"
#include "launch/progress_line.h"
#include "launch/shallow_json.h"
#include "launch/stop_strings.h"
#include "models/generate.h"
#include "parallel/error.h"

namespace bessemer::launch {
namespace {

using nlohmann::ordered_json;
using Tokens = std::vector<int64_t>;

const std::vector<Flag>& flags() {
  static const std::vector<Flag> all{
      {"model", "PATH", "a run (its newest checkpoint), a checkpoint, or a directory of Hugging Face's", "", true},
      {"prompt", "TEXT", "what the text begins with", ""},
      {"input", "FILE", "many prompts: JSON lines with \"prompt\"; JSON lines come out, in the same order", ""},
      {"out", "FILE", "where the lines of --input go; stdout where it is not given", ""},
      {"batch", "N", "prompts of --input that are decoded together", "8"},
      {"tokens", "N", "new tokens at most", "200"},
      {"temperature", "T", "logits are divided by it; 0: always the likeliest", "1"},
      {"top-k", "K", "only among the K likeliest; 0: all", "0"},
      {"top-p", "P", "only among the likeliest that together reach P", "1"},
      {"repetition-penalty", "P", "logits of tokens that prompt or text hold are divided by it (x P below 0); 1: off",
       "1"},
      {"stop", "TEXT", "the text ends before it; may be given again", "", false, true},
      {"template", "NAME",
       "the prompt is a user's turn, the text the answer to it: chatml, llama3 or plain, as the model learned; lines of "
       "--input may have \"messages\""},
      {"special", "HOW", "texts of special tokens in a prompt: plain (text) or parse (the token)", "plain"},
      {"seed", "N", "the same seed gives the same text; the first line of --input has this one, each other the next",
       "1337"},
      {"parallel.tp", "N", "tensor-parallel size, under mpirun -n N", "1"},
      {"dtype", "TYPE", "of weights and activations: fp32, bf16 or fp16", "fp32"},
      {"device", "NAME", "cpu or cuda", "cpu"},
      {"threads", "N", "compute threads of a rank; 0: its share of the cores", "0"},
      {"json", "", "prompt, text and tokens of --prompt as one JSON object"}};
  return all;
}

std::string help() {
  return "example:\n  bessemer generate --model runs/tiny --prompt 'Once upon' --tokens 100 --temperature 0.8\n"
         "  bessemer generate --model hf/gpt2 --input prompts.jsonl --out texts.jsonl --batch 16 --stop $'\\n\\n'\n"
         "  bessemer generate --model runs/chats --template chatml --prompt 'What is the height of the tower?'\n"
         "  mpirun -n 2 bessemer generate --model hf/llama --prompt 'Once' --parallel.tp=2\n\n"
         "Continues a text; the prompt and what follows go to stdout as they come. A line of --input keeps its fields and gets\n"
         "\"text\", \"tokens\" and \"finish\": \"stop\" (an end token, or --stop) or \"length\". Every line becomes what its prompt\n"
         "becomes alone with the line's seed. Models of Hugging Face's see the tokens that their tokenizer begins a text with, and end at their\n"
         "eos_token_id.\n\n" +
         flags_help(flags());
}

/// Ids that end a text: of the template's turns, the tokenizer's own, and what the files beside an imported model name.
Tokens end_tokens(const Loaded& loaded, const data::Tokenizer& tokenizer, data::ChatTemplate chat) {
  Tokens ends;
  if (const std::string text = end_of_turn(chat); !text.empty()) ends.push_back(tokenizer.special_token(text));
  if (tokenizer.eod_id >= 0) ends.push_back(tokenizer.eod_id);
  if (!loaded.origin) {  // a run of ours may have learned conversations
    for (const auto known : {data::ChatTemplate::kChatml, data::ChatTemplate::kLlama3}) {
      if (const int64_t id = tokenizer.special_token(end_of_turn(known)); id >= 0) ends.push_back(id);
    }
    return ends;
  }
  std::vector<std::string> texts{loaded.origin->config};
  if (const auto found = loaded.origin->files.find("generation_config.json"); found != loaded.origin->files.end())
    texts.push_back(found->second);
  for (const auto& text : texts) {
    const auto json = ordered_json::parse(text, nullptr, false);
    if (json.is_discarded()) std::cerr << "warning: what is beside the model is no JSON, and tells no eos_token_id\n";
    if (!json.is_object() || !json.contains("eos_token_id")) continue;
    const auto& ids = json.at("eos_token_id");
    for (const auto& id : ids.is_array() ? ids : ordered_json::array({ids})) {
      if (id.is_number_integer()) ends.push_back(id.get<int64_t>());
    }
  }
  return ends;
}

/// What all texts of one call have in common.
struct Speaker {
  Loaded loaded;
  std::unique_ptr<data::Tokenizer> tokenizer;
  models::SamplingOptions sampling;
  std::vector<std::string> stops;
  data::SpecialText special;
  data::ChatTemplate chat;
  bool first_rank;

  Tokens prompt(const std::string& text) const {
    data::TokenIds ids;
    if (chat != data::ChatTemplate::kNone) return to_answer({{{"user", text}}, /*pair=*/true});
    if (loaded.origin) ids = tokenizer->template_before;
    tokenizer->encoder(special)->encode(text, ids);
    return {ids.begin(), ids.end()};
  }
  Tokens to_answer(const data::Conversation& conversation) const {
    data::TokenIds ids;
    data::ChatEncoder(chat, *tokenizer, special, true).encode_prompt(conversation, ids);
    return {ids.begin(), ids.end()};
  }
};

/// One text as its tokens come.
class Text {
 public:
  explicit Text(const Speaker& speaker)
      : most_(speaker.sampling.tokens), known_(speaker.tokenizer->vocab_size()), decoder_(speaker.tokenizer->decoder()),
        stops_(speaker.stops) {}
  /// What is sure to belong to the text now.
  std::string next(int64_t token) {
    tokens_.push_back(token);
    if (token >= known_) return "";  // a row that the model has, and no text
    return add(stops_.next(decoder_->next(static_cast<uint32_t>(token))));
  }
  bool stopped() const { return stops_.stopped(); }
  std::string finish() {
    if (stopped()) return "";
    std::string last = stops_.next(decoder_->finish());
    reached_end_ = !stopped() && static_cast<int64_t>(tokens_.size()) == most_;
    if (!stopped()) last += stops_.finish();
    return add(last);
  }
  /// Behind finish().
  void put_into(ordered_json& line) const {
    line["text"] = text_, line["tokens"] = tokens_, line["finish"] = reached_end_ ? "length" : "stop";
  }

 private:
  std::string add(std::string piece) {
    text_ += piece;
    return piece;
  }
  int64_t most_;   ///< new tokens
  int64_t known_;  ///< to the tokenizer
  std::unique_ptr<data::Decoder> decoder_;
  StopStrings stops_;
  std::string text_;
  Tokens tokens_;
  bool reached_end_ = false;
};

/// A model of bytes may end inside of a character; JSON has no such text.
std::string dump(const ordered_json& json, int indent) {
  return json.dump(indent, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

/// \param where  of the prompt: "FILE:7"
void warn_of_cut(const Speaker& speaker, const Tokens& prompt, const std::string& where) {
  const auto tokens = static_cast<int64_t>(prompt.size()), room = speaker.loaded.model->options().sequence;
  if (tokens > room && speaker.first_rank)
    std::cerr << "warning: " << where << " has " << tokens << " tokens; the model sees the last " << room << "\n";
}

int one_prompt(Speaker& speaker, const std::string& prompt, bool json) {
  Text text(speaker);
  bool begun = false;
  const auto say =
      [&](const std::string& piece) {  // the prompt goes before the first piece: a refusal leaves stdout empty
        const bool first = !begun && speaker.chat == data::ChatTemplate::kNone;
        if (!json && speaker.first_rank) std::cout << (first ? prompt : "") << piece << std::flush;
        begun = true;
        // Several ranks cannot end at once where one has lost its reader; a single one just stops.
        const bool heard = static_cast<bool>(std::cout);
        BESSEMER_CHECK_ENV(heard || launched_processes() == 1, "stdout cannot be written any more");
        return heard;
      };
  const Tokens ids = speaker.prompt(prompt);
  warn_of_cut(speaker, ids, "the prompt");
  models::generate(*speaker.loaded.model, ids, speaker.sampling, [&](int64_t token) {
    const bool heard = say(text.next(token));
    return heard && !text.stopped();
  });
  say(text.finish());
  if (!speaker.first_rank) return 0;
  if (!json) {
    say("\n");
    return 0;
  }
  ordered_json out{{"model", speaker.loaded.checkpoint}, {"step", speaker.loaded.step}, {"prompt", prompt}};
  text.put_into(out);
  std::cout << dump(out, 2);
  return 0;
}

/// A line of --input, and what the model sees of it.
struct Line {
  std::string text;
  ordered_json fields;
  Tokens prompt;
};

/// The line with what became of it. Its own fields stay as they were written, large numbers and all, unless it has some
/// of these names.
std::string with_result(const Line& line, const Text& text) {
  ordered_json result;
  text.put_into(result);
  const bool anew = std::any_of(result.items().begin(), result.items().end(),
                                [&](const auto& item) { return line.fields.contains(item.key()); });
  if (!anew) return line.text.substr(0, line.text.rfind('}')) + "," + dump(result, -1).substr(1);
  ordered_json all = line.fields;
  text.put_into(all);
  return dump(all, -1);
}

Tokens prompt_of(const Speaker& speaker, const ordered_json& fields, const std::string& line,
                 const std::string& where) {
  if (speaker.chat == data::ChatTemplate::kNone || !fields.is_object() || !fields.contains("messages")) {
    const bool good = fields.is_object() && fields.contains("prompt") && fields.at("prompt").is_string();
    BESSEMER_CHECK_DATA(!fields.is_null(), where, ": no JSON, or nested deeper than 256");
    BESSEMER_CHECK_DATA(good, where, ": '", line.substr(0, 80), "': a JSON object with a text \"prompt\" is expected",
                        fields.contains("messages") ? "; \"messages\" need --template" : "");
    return speaker.prompt(fields.at("prompt").get<std::string>());
  }
  data::Reject reject;
  const auto conversation = data::ChatLines(true).read(line, reject);
  BESSEMER_CHECK_DATA(conversation, where, ": ", reject.message);
  return speaker.to_answer(*conversation);
}

std::vector<Line> read_lines(const Speaker& speaker, const std::string& path) {
  std::ifstream in(path);
  BESSEMER_CHECK_DATA(in.good() && !std::filesystem::is_directory(path), path,
                      ": there is no such file, or it cannot be read");
  std::vector<Line> lines;
  std::string line;
  for (int64_t number = 1; std::getline(in, line); ++number) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    auto json = shallow_json(line);
    Tokens prompt = prompt_of(speaker, json, line, concat(path, ":", number));
    BESSEMER_CHECK_DATA(!prompt.empty(), path, ":", number, ": the prompt is empty; give at least one token");
    warn_of_cut(speaker, prompt, concat(path, ":", number));
    lines.push_back({line, std::move(json), std::move(prompt)});
  }
  BESSEMER_CHECK_DATA(!lines.empty(), path, ": has no prompts");
  return lines;
}

/// Lines go out in the order of the prompts, each as soon as it and all before it are complete.
class LineWriter {
 public:
  /// A file keeps what it holds until the first line.
  LineWriter(const std::string& path, bool writes) : path_(path.empty() ? "stdout" : path), writes_(writes) {
    if (path.empty() || !writes) return;
    file_.open(path, std::ios::app);
    out_ = &file_;
    check();
  }
  void write(const std::string& line) {
    if (!writes_) return;
    if (out_ == &file_ && !begun_) file_.close(), file_.open(path_, std::ios::trunc);
    begun_ = true;
    *out_ << line << std::flush;
    check();
  }

 private:
  void check() const { BESSEMER_CHECK_ENV(out_->good(), path_, ": cannot be written"); }
  std::string path_;
  bool writes_, begun_ = false;
  std::ofstream file_;
  std::ostream* out_ = &std::cout;
};

int many_prompts(Speaker& speaker, std::vector<Line> lines, int64_t batch, LineWriter writer) {
  std::vector<Tokens> prompts;
  std::deque<Text> texts;
  for (auto& line : lines) {
    prompts.push_back(std::move(line.prompt));
    texts.emplace_back(speaker);
  }
  std::vector<bool> ended(lines.size());
  std::size_t written = 0, done = 0;
  CountLine progress("generate", "prompts", lines.size());
  models::RowEvents events;
  events.on_token = [&](std::size_t row, int64_t token) {
    texts[row].next(token);
    return !texts[row].stopped();
  };
  events.on_end = [&](std::size_t row) {
    texts[row].finish();
    ended[row] = true;
    if (speaker.first_rank) progress.show(++done);
    for (; written < lines.size() && ended[written]; ++written)
      writer.write(with_result(lines[written], texts[written]));
  };
  models::generate(*speaker.loaded.model, prompts, speaker.sampling, batch, events);
  return 0;
}

void check(const Arguments& a) {
  BESSEMER_CHECK(a.has("prompt") != a.has("input"), "give either --prompt TEXT or --input FILE");
  BESSEMER_CHECK(a.has("input") || !a.has("out"), "--out is where the lines of --input go; leave it out");
  BESSEMER_CHECK(a.has("prompt") || !a.flag("json"), "--json is for --prompt; --input gives JSON lines anyway");
  refuse_own_input(a);
  BESSEMER_CHECK(a.count("parallel.tp") >= 1, "--parallel.tp is 0; choose at least 1");
  BESSEMER_CHECK(a.count("batch") >= 1, "--batch is ", a.count("batch"), "; choose at least 1");
}

int speak(const Arguments& a, Loaded loaded, bool first_rank) {
  Speaker speaker{std::move(loaded), {}, {}, a.list("stop"), {}, data::ChatTemplate::kNone, first_rank};
  speaker.special = a.choice<data::SpecialText>(
      "special", {{"plain", data::SpecialText::kPlain}, {"parse", data::SpecialText::kParse}});
  BESSEMER_CHECK_DATA(!speaker.loaded.tokenizer.empty(), speaker.loaded.checkpoint,
                      " holds no tokenizer; it cannot read a prompt");
  speaker.tokenizer = data::load_tokenizer(speaker.loaded.tokenizer);
  auto& s = speaker.sampling;
  s.prefix = speaker.loaded.config.data.objective == data::ObjectiveKind::kPrefix;
  s.tokens = a.count("tokens"), s.temperature = a.real("temperature"), s.seed = a.seed("seed");
  s.top_k = a.count("top-k"), s.top_p = a.fraction("top-p"), s.repetition_penalty = a.real("repetition-penalty");
  speaker.chat = chat_template(a);
  s.ends = end_tokens(speaker.loaded, *speaker.tokenizer, speaker.chat);
  if (a.has("prompt")) return one_prompt(speaker, a.text("prompt"), a.flag("json"));
  auto lines = read_lines(speaker, a.text("input"));
  return many_prompts(speaker, std::move(lines), a.count("batch"), LineWriter(a.text("out"), first_rank));
}

at::ScalarType dtype_of(const Arguments& a) {
  return a.choice<at::ScalarType>("dtype", {{"fp32", at::kFloat}, {"bf16", at::kBFloat16}, {"fp16", at::kHalf}});
}

int on_ranks(const Words& words, parallel::World& world) {
  const Arguments a(words, flags());
  check(a);
  BESSEMER_CHECK(a.count("parallel.tp") == world.size(), "--parallel.tp is ", a.count("parallel.tp"), " on ",
                 world.size(), " processes, which hold one model together; give --parallel.tp=", world.size());
  parallel::ParallelOptions options;
  options.tp = a.count("parallel.tp"), options.dp = 1, options.device = device_named(a.text("device"));
  set_threads(a.count("threads"), world.local_size());
  return speak(a, load_model(a.text("model"), world.make_grid(options), {dtype_of(a)}), world.rank() == 0);
}

int generate(const Words& words) {
  if (launched_processes() > 1) return run_job("generate", words, on_ranks);
  const Arguments a(words, flags());
  check(a);
  const int64_t tp = a.count("parallel.tp");
  BESSEMER_CHECK(tp == 1, "--parallel.tp ", tp, " needs as many processes; start it with mpirun -n ", tp);
  return speak(a, load_model(a.text("model"), device_named(a.text("device")), a.count("threads"), {dtype_of(a)}), true);
}

}  // namespace

std::vector<Command> generate_commands() {
  return {{"generate", "continue a text, or many, with a trained model", help, generate}};
}

}  // namespace bessemer::launch
