#include "data/tokenizers/vocab_files.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "data/file.h"
#include "data/tokenizers/hf_json.h"
#include "data/tokenizers/hf_parts.h"
#include "data/tokenizers/tokenizer_json.h"
#include "data/tokenizers/wordpiece.h"
#include "parallel/error.h"

namespace bessemer::data {
namespace {

using nlohmann::json;
constexpr uint64_t kLargestFile = 256 << 20;

using Ids = std::unordered_map<std::string, uint32_t>;

std::vector<std::string> read_vocab_json(const std::string& path) {
  try {
    const auto vocab = parse_json(read_file(path, kLargestFile));
    BESSEMER_CHECK_DATA(vocab.is_object(), "a JSON object of tokens and their ids is expected");
    return tokens_by_id(vocab);
  } catch (const json::exception& error) {
    fail(ExitCode::kBadData, path, ": not the JSON that is expected: ", error.what());
  } catch (const Error& error) {
    const std::string what = error.what();
    fail(error.code(), what.starts_with(path) ? "" : path + ": ", what);
  }
}

std::vector<std::pair<uint32_t, uint32_t>> read_merges(const std::string& path, const Ids& ids) {
  std::vector<std::pair<uint32_t, uint32_t>> merges;
  const std::string text = read_file(path, kLargestFile);
  std::size_t number = 0;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    std::string line = text.substr(begin, end - begin);
    begin = end + 1;
    ++number;
    if (line.ends_with('\r')) line.pop_back();
    if (line.empty() || line.starts_with("#version")) continue;
    const auto space = line.find(' ');
    const bool two = space != std::string::npos && line.find(' ', space + 1) == std::string::npos;
    BESSEMER_CHECK_DATA(two, path, ":", number, ": '", line.substr(0, 80),
                        "': two tokens with a space between are expected");
    const auto left = ids.find(line.substr(0, space)), right = ids.find(line.substr(space + 1));
    BESSEMER_CHECK_DATA(left != ids.end() && right != ids.end(), path, ":", number, ": '", line.substr(0, 80),
                        "' has a token that vocab.json has not");
    merges.emplace_back(left->second, right->second);
  }
  return merges;
}

/// RoBERTa's: the same vocabulary, its special tokens, <s> and </s> around a text; <mask> takes the space before it.
/// Source: transformers, convert_slow_tokenizer.py, RobertaConverter.
std::string roberta_json(ByteLevelBpe bpe, const Ids& ids) {
  for (const char* name : {"<s>", "<pad>", "</s>", "<unk>", "<mask>"}) {
    if (ids.contains(name)) bpe.special_tokens.emplace_back(name);
  }
  auto all = nlohmann::ordered_json::parse(byte_level_json(bpe, "gpt2"));
  for (auto& token : all["added_tokens"]) token["lstrip"] = token["content"] == "<mask>";
  all["post_processor"] = {{"type", "RobertaProcessing"},
                           {"sep", {"</s>", ids.at("</s>")}},
                           {"cls", {"<s>", ids.at("<s>")}},
                           {"trim_offsets", true},
                           {"add_prefix_space", false}};
  return all.dump(2) + "\n";
}

}  // namespace

std::unique_ptr<Tokenizer> open_gpt2(const std::string& folder) {
  ByteLevelBpe bpe;
  Ids ids;
  bpe.tokens = read_vocab_json(folder + "/vocab.json");
  for (std::size_t id = 0; id < bpe.tokens.size(); ++id) {
    if (!bpe.tokens[id].empty()) ids.emplace(bpe.tokens[id], static_cast<uint32_t>(id));
  }
  bpe.merges = read_merges(folder + "/merges.txt", ids);
  if (ids.contains("<s>") && ids.contains("</s>") && ids.contains("<mask>"))
    return hf_tokenizer(roberta_json(std::move(bpe), ids), folder);
  if (ids.contains("<|endoftext|>")) bpe.special_tokens = {"<|endoftext|>"};
  return hf_tokenizer(byte_level_json(bpe, "gpt2"), folder);
}

std::unique_ptr<Tokenizer> open_wordpiece(const std::string& path) {
  const auto tokens = read_vocab_txt(path);
  const auto special = [](const std::string& t) { return t.size() > 2 && t.front() == '[' && t.back() == ']'; };
  bool capitals = false;
  auto added = json::array();
  json vocab = json::object();
  for (std::size_t id = 0; id < tokens.size(); ++id) {
    vocab[tokens[id]] = id;
    if (!special(tokens[id]))
      capitals =
          capitals || std::any_of(tokens[id].begin(), tokens[id].end(), [](char c) { return c >= 'A' && c <= 'Z'; });
    for (const char* name : {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}) {
      if (tokens[id] == name)
        added.push_back({{"id", id},
                         {"content", name},
                         {"single_word", false},
                         {"lstrip", false},
                         {"rstrip", false},
                         {"normalized", false},
                         {"special", true}});
    }
  }
  json all{{"version", "1.0"}, {"truncation", nullptr}, {"padding", nullptr}, {"added_tokens", added}};
  all["normalizer"] = {{"type", "BertNormalizer"},
                       {"clean_text", true},
                       {"handle_chinese_chars", true},
                       {"strip_accents", nullptr},
                       {"lowercase", !capitals}};
  all["pre_tokenizer"] = {{"type", "BertPreTokenizer"}};
  if (vocab.contains("[CLS]") && vocab.contains("[SEP]"))
    all["post_processor"] = {
        {"type", "BertProcessing"}, {"sep", {"[SEP]", vocab["[SEP]"]}}, {"cls", {"[CLS]", vocab["[CLS]"]}}};
  all["decoder"] = {{"type", "WordPiece"}, {"prefix", "##"}, {"cleanup", true}};
  all["model"] = {{"type", "WordPiece"},
                  {"unk_token", "[UNK]"},
                  {"continuing_subword_prefix", "##"},
                  {"max_input_chars_per_word", 100},
                  {"vocab", vocab}};
  return hf_tokenizer(all.dump(), path);
}

}  // namespace bessemer::data
