#include "data/tokenizers/tokenizer_json.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "data/tokenizers/split.h"
#include "data/utf8.h"
#include "parallel/error.h"

namespace bessemer::data {
namespace {

using nlohmann::ordered_json;

ordered_json byte_level(bool add_prefix_space, bool use_regex) {
  return {
      {"type", "ByteLevel"}, {"add_prefix_space", add_prefix_space}, {"trim_offsets", true}, {"use_regex", use_regex}};
}

ordered_json pre_tokenizer(const std::string& split) {
  BESSEMER_CHECK(split == "gpt2" || split == "cl100k", "split pattern '", split,
                 "' is not known; choose gpt2 or cl100k");
  if (split == "gpt2") return byte_level(false, true);  // its regex is GPT-2's
  return {{"type", "Sequence"},
          {"pretokenizers",
           {{{"type", "Split"},
             {"pattern", {{"Regex", pattern_text(SplitPattern::kCl100k)}}},
             {"behavior", "Isolated"},
             {"invert", false}},
            byte_level(false, false)}}};
}

ordered_json added_tokens(const ByteLevelBpe& bpe) {
  auto added = ordered_json::array();
  for (const auto& text : bpe.special_tokens) {
    const auto at = std::find(bpe.tokens.begin(), bpe.tokens.end(), text);
    BESSEMER_CHECK_DATA(at != bpe.tokens.end(), "special token '", text, "' is not in the vocabulary");
    added.push_back(special_token_json(at - bpe.tokens.begin(), text));
  }
  return added;
}

ordered_json model(const ByteLevelBpe& bpe) {
  auto vocab = ordered_json(ordered_json::object_t());
  auto& entries = vocab.get_ref<ordered_json::object_t&>();
  for (std::size_t id = 0; id < bpe.tokens.size(); ++id)  // operator[] would look through all that is there
    entries.emplace_back(bpe.tokens[id], id);
  auto merges = ordered_json::array();
  for (const auto& [left, right] : bpe.merges) {
    BESSEMER_CHECK_DATA(left < bpe.tokens.size() && right < bpe.tokens.size(), "merge of ids ", left, " and ", right,
                        ": the vocabulary has ", bpe.tokens.size());
    merges.push_back(ordered_json::array({bpe.tokens[left], bpe.tokens[right]}));
  }
  return {{"type", "BPE"},
          {"dropout", nullptr},
          {"unk_token", nullptr},
          {"continuing_subword_prefix", nullptr},
          {"end_of_word_suffix", nullptr},
          {"fuse_unk", false},
          {"byte_fallback", false},
          {"ignore_merges", false},
          {"vocab", std::move(vocab)},
          {"merges", std::move(merges)}};
}

}  // namespace

ordered_json special_token_json(int64_t id, const std::string& text) {
  return {{"id", id},        {"content", text},     {"single_word", false}, {"lstrip", false},
          {"rstrip", false}, {"normalized", false}, {"special", true}};
}

std::string byte_level_json(const ByteLevelBpe& bpe, const std::string& split) {
  for (std::size_t id = 0; id < bpe.tokens.size(); ++id)
    BESSEMER_CHECK_DATA(first_broken(bpe.tokens[id]) == bpe.tokens[id].size(), "token ", id, " is not UTF-8");
  const ordered_json all = {{"version", "1.0"},          {"truncation", nullptr},
                            {"padding", nullptr},        {"added_tokens", added_tokens(bpe)},
                            {"normalizer", nullptr},     {"pre_tokenizer", pre_tokenizer(split)},
                            {"post_processor", nullptr}, {"decoder", byte_level(true, true)},
                            {"model", model(bpe)}};
  return all.dump(2) + "\n";
}

}  // namespace bessemer::data
