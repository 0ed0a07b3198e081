#include <fmt/format.h>
#include <simdjson.h>

#include <charconv>
#include <iostream>
#include <nlohmann/json.hpp>

#include "data/tokenizer.h"
#include "launch/arguments.h"
#include "launch/commands.h"
#include "parallel/error.h"

namespace bessemer::launch {
namespace {

using data::TokenIds;

const std::vector<Flag>& flags() {
  static const std::vector<Flag> all{
      {"tokenizer", "SPEC", "bytes, gpt2:DIR, hf:FILE, wordpiece:FILE, sentencepiece:FILE, data:DIR", "", true},
      {"decode", "", "from ids to text"},
      {"special", "HOW", "texts of special tokens in the input: plain (text) or parse (the token)", "plain"},
      {"add-bos", "", "begin each line's ids with the token that begins a document"},
      {"append-eod", "", "end them with the one that ends a document"},
      {"template", "", "put around them what the tokenizer's own template does ([CLS] ... [SEP])"},
      {"json", "", "one JSON string a line in, one JSON array a line out (or the other way)"}};
  return all;
}

std::string help() {
  return "example:\n  bessemer tokenize --tokenizer gpt2:models/gpt2 < text.txt > ids.txt\n"
         "  bessemer tokenize --tokenizer hf:tokenizer.json --json < lines.json > ids.json\n\n"
         "Text to token ids, line by line from stdin to stdout, or back with --decode.\n\n" +
         flags_help(flags());
}

/// Why a line is refused, with its number.
template <class Work>
void line_by_line(const Work& work) {
  std::string line;
  for (uint64_t number = 1; std::getline(std::cin, line); ++number) {
    try {
      work(line);
    } catch (const Error& error) {
      fail(error.code(), "stdin, line ", number, ": ", error.what());
    }
    if (!std::cout) return;  // nobody reads on
  }
  std::cout.flush();
}

/// [1,2,3] or 1 2 3
void print_ids(const TokenIds& ids, bool json) {
  fmt::memory_buffer out;
  if (json) out.push_back('[');
  for (std::size_t i = 0; i < ids.size(); ++i)
    fmt::format_to(std::back_inserter(out), "{}{}", i == 0 ? "" : json ? "," : " ", ids[i]);
  if (json) out.push_back(']');
  out.push_back('\n');
  std::cout.write(out.data(), static_cast<std::streamsize>(out.size()));
}

std::string json_string(simdjson::dom::parser& parser, const std::string& line) {
  std::string_view text;
  const auto error = parser.parse(line).get_string().get(text);
  BESSEMER_CHECK_DATA(!error, "a JSON string is expected, found ", line.substr(0, 80), " (",
                      simdjson::error_message(error), ")");
  return std::string(text);
}

/// Ids between blanks, commas and brackets: both forms of print_ids.
TokenIds read_ids(const std::string& line) {
  TokenIds ids;
  const char* const end = line.data() + line.size();
  for (const char* at = line.data(); at != end;) {
    if (std::string_view(" \t\r,[]").find(*at) != std::string_view::npos) {
      ++at;
      continue;
    }
    uint32_t id = 0;
    const auto [stop, error] = std::from_chars(at, end, id);
    BESSEMER_CHECK_DATA(error == std::errc(), "token ids are expected, found '",
                        std::string(at, std::min(at + 20, end)), "'");
    ids.push_back(id);
    at = stop;
  }
  return ids;
}

struct Around {
  TokenIds before, after;
};

Around around(const Arguments& a, const data::Tokenizer& tokenizer) {
  Around out;
  if (a.flag("template")) out = {tokenizer.template_before, tokenizer.template_after};
  BESSEMER_CHECK(!a.flag("template") || !out.before.empty() || !out.after.empty(),
                 "--template: this tokenizer has none");
  const auto add = [&](const char* flag, int64_t id, TokenIds& to) {
    if (!a.flag(flag)) return;
    BESSEMER_CHECK(id >= 0, "--", flag, ": this tokenizer has no such token");
    to.push_back(static_cast<uint32_t>(id));
  };
  add("add-bos", tokenizer.bos_id, out.before);
  add("append-eod", tokenizer.eod_id, out.after);
  return out;
}

void encode(const Arguments& a, const data::Tokenizer& tokenizer, data::SpecialText special) {
  const auto [before, after] = around(a, tokenizer);
  const auto encoder = tokenizer.encoder(special);
  simdjson::dom::parser parser;
  TokenIds ids;
  const bool json = a.flag("json");
  line_by_line([&](const std::string& line) {
    ids = before;
    encoder->encode(json ? json_string(parser, line) : line, ids);
    ids.insert(ids.end(), after.begin(), after.end());
    print_ids(ids, json);
  });
  if (encoder->replaced() > 0)
    fmt::print(stderr, "warning: {} sequences of bytes that are not UTF-8 were taken as U+FFFD\n", encoder->replaced());
}

void decode(const Arguments& a, const data::Tokenizer& tokenizer) {
  const bool json = a.flag("json");
  line_by_line([&](const std::string& line) {
    const std::string text = tokenizer.decode(read_ids(line));
    // Ids may break off within a character; JSON has no such text.
    std::cout << (json ? nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) : text)
              << "\n";
  });
}

int tokenize(const Words& words) {
  const Arguments a(words, flags());
  const auto special = a.choice<data::SpecialText>(
      "special", {{"plain", data::SpecialText::kPlain}, {"parse", data::SpecialText::kParse}});
  const auto tokenizer = data::open_tokenizer_spec(a.text("tokenizer"));
  std::ios::sync_with_stdio(false);
  if (a.flag("decode"))
    decode(a, *tokenizer);
  else
    encode(a, *tokenizer, special);
  return 0;
}

}  // namespace

std::vector<Command> tokenize_commands() {
  return {{"tokenize", "text to token ids, or back, line by line", help, tokenize}};
}

}  // namespace bessemer::launch
