// The "model" of a tokenizer.json.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "data/tokenizers/bpe.h"
#include "data/tokenizers/byte_level.h"
#include "data/tokenizers/hf_parts.h"
#include "data/tokenizers/unigram.h"
#include "data/tokenizers/wordpiece.h"
#include "parallel/error.h"

namespace bessemer::data {
namespace {

using nlohmann::json;

int64_t optional_id(const json& model, const char* field, const std::unordered_map<std::string, uint32_t>& ids) {
  const auto found = model.find(field);
  if (found == model.end() || found->is_null()) return -1;
  const auto at = ids.find(found->get<std::string>());
  BESSEMER_CHECK_DATA(at != ids.end(), field, " '", found->get<std::string>(), "' is not in the vocabulary");
  return at->second;
}

/// ["a", "b"], or "a b" as older files have it.
std::pair<std::string, std::string> merge_of(const json& merge) {
  if (merge.is_array() && merge.size() == 2) return {merge[0].get<std::string>(), merge[1].get<std::string>()};
  BESSEMER_CHECK_DATA(merge.is_string(), "merge ", merge.dump().substr(0, 80), ": a pair or 'a b' is expected");
  const std::string text = merge;
  const auto space = text.find(' ');
  BESSEMER_CHECK_DATA(space != std::string::npos && space > 0 && space + 1 < text.size() &&
                          text.find(' ', space + 1) == std::string::npos,
                      "merge '", text.substr(0, 80), "': two tokens with one space between are expected");
  return {text.substr(0, space), text.substr(space + 1)};
}

std::unique_ptr<PieceModel> read_bpe(const json& model, const PipelineParts& parts) {
  for (const char* field : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    const std::string text = model.contains(field) && !model[field].is_null() ? model[field].get<std::string>() : "";
    BESSEMER_CHECK_DATA(text.empty(), "BPE with ", field, " '", text, "' is not known here");
  }
  Bpe::Options options;
  options.name = parts.name;
  options.tokens = tokens_by_id(model.at("vocab"));
  std::unordered_map<std::string, uint32_t> ids;
  for (std::size_t id = 0; id < options.tokens.size(); ++id) ids.emplace(options.tokens[id], static_cast<uint32_t>(id));
  for (const auto& merge : model.at("merges")) {
    const auto [left, right] = merge_of(merge);
    const auto l = ids.find(left), r = ids.find(right);
    BESSEMER_CHECK_DATA(l != ids.end() && r != ids.end(), "merge ", options.merges.size() + 1, " ('", left, "', '",
                        right, "') has a token that is not in the vocabulary");
    options.merges.emplace_back(l->second, r->second);
  }
  options.unk = optional_id(model, "unk_token", ids);
  options.bytes = parts.byte_level;
  options.ignore_merges = model.value("ignore_merges", false);
  options.byte_fallback = model.value("byte_fallback", false);
  options.fuse_unk = model.value("fuse_unk", false);
  if (options.bytes) {
    for (auto& token : options.tokens) token = chars_to_bytes(token);
  }
  return std::make_unique<Bpe>(std::move(options));
}

std::unique_ptr<PieceModel> read_wordpiece(const json& model) {
  WordPiece::Options options;
  options.unknown = model.value("unk_token", "[UNK]");
  options.prefix = model.value("continuing_subword_prefix", "##");
  options.max_characters_per_word = model.value("max_input_chars_per_word", uint64_t{100});
  return std::make_unique<WordPiece>(tokens_by_id(model.at("vocab")), options);
}

std::unique_ptr<PieceModel> read_unigram(const json& model, const PipelineParts& parts) {
  std::vector<ScoredPiece> pieces;
  for (const auto& entry : model.at("vocab"))
    pieces.push_back({entry.at(0).get<std::string>(), entry.at(1).get<double>()});
  const int64_t unk = model.contains("unk_id") && !model["unk_id"].is_null() ? model["unk_id"].get<int64_t>() : -1;
  ScoredPieces scored(std::move(pieces), unk, model.value("byte_fallback", false), parts.name);
  return std::make_unique<Unigram>(std::move(scored), Unigram::Sum::kDouble);
}

/// Old files do not name their model's type.
std::string type_of(const json& model) {
  if (model.contains("type")) return model["type"];
  if (model.contains("merges")) return "BPE";
  return model.at("vocab").is_array() ? "Unigram" : "WordPiece";
}

}  // namespace

std::vector<std::string> tokens_by_id(const json& vocab) {
  std::vector<std::string> tokens;
  for (const auto& [token, id] : vocab.items()) {
    BESSEMER_CHECK_DATA(id.is_number_unsigned() && id.get<uint64_t>() < kMostIds, "token '", token, "' has id ",
                        id.dump(), "; ids below ", kMostIds, " are expected");
    const auto at = id.get<std::size_t>();
    if (at >= tokens.size()) tokens.resize(at + 1);
    BESSEMER_CHECK_DATA(tokens[at].empty(), "tokens '", tokens[at], "' and '", token, "' have the same id ", at);
    tokens[at] = token;
  }
  BESSEMER_CHECK_DATA(!tokens.empty(), "the vocabulary is empty");
  return tokens;
}

void read_model(const json& model, PipelineParts& parts) {
  const std::string type = type_of(model);
  if (type == "BPE")
    parts.model = read_bpe(model, parts);
  else if (type == "WordPiece")
    parts.model = read_wordpiece(model);
  else if (type == "Unigram")
    parts.model = read_unigram(model, parts);
  else
    fail(ExitCode::kBadData, "model type '", type, "' is not known here; BPE, WordPiece and Unigram are");
  parts.kind = parts.model->kind();
}

}  // namespace bessemer::data
