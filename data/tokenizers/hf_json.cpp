#include "data/tokenizers/hf_json.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "data/tokenizers/hf_parts.h"
#include "data/tokenizers/pipeline.h"
#include "data/tokenizers/tokenizer_json.h"
#include "parallel/error.h"

namespace bessemer::data {
namespace {

using nlohmann::json;

std::vector<AddedToken> added_tokens(const json& all) {
  std::vector<AddedToken> tokens;
  const auto found = all.find("added_tokens");
  if (found == all.end() || found->is_null()) return tokens;
  for (const auto& t : *found) {
    AddedToken token{t.at("id").get<uint32_t>(), t.at("content").get<std::string>()};
    token.special = t.value("special", false);
    token.single_word = t.value("single_word", false);
    token.left_strip = t.value("lstrip", false), token.right_strip = t.value("rstrip", false);
    token.normalized = t.value("normalized", !token.special);
    BESSEMER_CHECK_DATA(token.id < kMostIds, "added token '", token.text, "' has id ", token.id, "; ids below ",
                        kMostIds, " are expected");
    tokens.push_back(std::move(token));
  }
  return tokens;
}

/// What is looked for; and whether one of them might lie across a cut of the text.
void prepare_added(std::vector<AddedToken>& tokens, PipelineParts& parts) {
  for (auto& token : tokens) {
    token.pattern = token.text;
    if (token.normalized && parts.normalizer) parts.normalizer->apply(token.pattern);
    const bool reaches = token.left_strip || token.right_strip || token.text.find_first_of(" \n") != std::string::npos;
    if (!token.special && reaches) parts.cuts_are_safe = false;
  }
}

/// The id of a token of a model; -1: none.
int64_t find_token(const PieceModel& model, std::string_view token) {
  for (int64_t id = 0; id < model.vocab_size(); ++id) {
    if (model.token(static_cast<uint32_t>(id)) == token) return id;
  }
  return -1;
}

/// The ids before and after one text: [CLS] $A [SEP].
void read_template(const json& post, PipelineParts& parts) {
  if (post.is_null()) return;
  const std::string type = post.at("type");
  if (type == "Sequence") {
    for (const auto& one : post.at("processors")) read_template(one, parts);
  } else if (type == "TemplateProcessing") {
    bool behind = false;
    for (const auto& piece : post.at("single")) {
      if (piece.contains("Sequence"))
        behind = true;
      else
        for (const auto& id :
             post.at("special_tokens").at(piece.at("SpecialToken").at("id").get<std::string>()).at("ids"))
          (behind ? parts.after : parts.before).push_back(id.get<uint32_t>());
    }
  } else if (type == "BertProcessing" || type == "RobertaProcessing") {
    parts.before.push_back(post.at("cls").at(1).get<uint32_t>());
    parts.after.push_back(post.at("sep").at(1).get<uint32_t>());
  } else {
    BESSEMER_CHECK_DATA(type == "ByteLevel", "post_processor '", type, "' is not known here");
  }
}

void read_decoder(const json& decoder, PipelineParts& parts) {
  if (decoder.is_null()) return;
  const std::string type = decoder.at("type");
  if (type == "Sequence") {
    for (const auto& one : decoder.at("decoders")) read_decoder(one, parts);
  } else if (type == "WordPiece") {
    parts.decoder = DecoderKind::kWordPiece, parts.cleanup = decoder.value("cleanup", true);
  } else if (type == "Metaspace") {
    parts.decoder = DecoderKind::kMetaspace;
    parts.strip_space =
        decoder.value("prepend_scheme", decoder.value("add_prefix_space", true) ? "always" : "never") != "never";
  } else if (type == "Replace") {
    if (decoder.value("content", "") == " ") parts.decoder = DecoderKind::kMetaspace;
  } else if (type == "Strip") {
    parts.strip_space = decoder.value("content", "") == " " && decoder.value("start", 0) > 0;
  } else {
    const bool plain = type == "ByteLevel" || type == "ByteFallback" || type == "Fuse";
    BESSEMER_CHECK_DATA(plain, "decoder '", type, "' is not known here");
  }
}

/// The first of `names` that the tokenizer has; -1: none.
int64_t special_id(const std::vector<std::pair<std::string, uint32_t>>& known,
                   std::initializer_list<const char*> names) {
  for (const std::string name : names) {
    const auto at = std::find_if(known.begin(), known.end(), [&](const auto& token) { return token.first == name; });
    if (at != known.end()) return at->second;
  }
  return -1;
}

/// Which tokens begin and end a document, by the names that published tokenizers use.
void find_special(PipelineParts& parts) {
  std::vector<std::pair<std::string, uint32_t>> known;
  for (const auto& token : parts.added.all()) known.emplace_back(token.text, token.id);
  for (const char* name : {"[CLS]", "[SEP]", "[PAD]"}) {
    const int64_t id = parts.kind == "wordpiece" ? find_token(*parts.model, name) : -1;
    if (id >= 0) known.emplace_back(name, static_cast<uint32_t>(id));
  }
  parts.bos_id = special_id(known, {"<|begin_of_text|>", "<s>", "<bos>", "[CLS]", "<|endoftext|>"});
  if (!parts.before.empty()) parts.bos_id = parts.before.front();
  parts.eod_id = special_id(known, {"<|endoftext|>", "<|end_of_text|>", "</s>", "<eos>", "[SEP]"});
  parts.pad_id = special_id(known, {"<pad>", "[PAD]", "<|padding|>", "<|finetune_right_pad_id|>"});
}

const json& section(const json& all, const char* name) {
  static const json kNone;
  const auto found = all.find(name);
  return found == all.end() ? kNone : *found;
}

std::unique_ptr<Tokenizer> from_json(const json& all, const std::string& text, const std::string& name) {
  PipelineParts parts;
  parts.name = name, parts.json = text;
  read_normalizer(section(all, "normalizer"), parts);
  read_pre_tokenizer(section(all, "pre_tokenizer"), parts);
  read_model(all.at("model"), parts);
  read_template(section(all, "post_processor"), parts);
  read_decoder(section(all, "decoder"), parts);
  auto added = added_tokens(all);
  prepare_added(added, parts);
  parts.added = AddedTokens(std::move(added));
  find_special(parts);
  return make_pipeline(std::move(parts));
}

}  // namespace

json parse_json(std::string_view text) {
  int depth = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      i += c == '\\' ? 1 : 0;
      quoted = c != '"';
    } else if (c == '"') {
      quoted = true;
    } else if (c == '[' || c == '{') {
      BESSEMER_CHECK_DATA(++depth <= kDeepest, "JSON of more than ", kDeepest, " levels at byte ", i,
                          "; that is no tokenizer's");
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
  return json::parse(text);
}

std::unique_ptr<Tokenizer> with_special_tokens(const Tokenizer& tokenizer, const std::vector<std::string>& texts) {
  auto all = nlohmann::ordered_json::parse(tokenizer.json(), nullptr, false);  // it was read before
  BESSEMER_CHECK_DATA(all.is_object() && all.contains("model") && !all.contains("format"), "a tokenizer of kind ",
                      tokenizer.kind(), " has no place for special tokens; take one that is a tokenizer.json, for ",
                      "example of `bessemer data train-tokenizer`");
  auto& added = all["added_tokens"];
  if (added.is_null()) added = nlohmann::ordered_json::array();
  int64_t next = tokenizer.vocab_size();
  for (const auto& text : texts) {
    if (tokenizer.special_token(text) >= 0) continue;
    int64_t id = 0;
    while (id < tokenizer.vocab_size() && tokenizer.token(static_cast<uint32_t>(id)) != text) ++id;
    if (id == tokenizer.vocab_size()) id = next++;
    added.push_back(special_token_json(id, text));
  }
  return hf_tokenizer(all.dump(2) + "\n", "the tokenizer with added tokens");
}

std::unique_ptr<Tokenizer> hf_tokenizer(const std::string& text, const std::string& name) {
  try {
    return from_json(parse_json(text), text, name);
  } catch (const json::exception& error) {
    fail(ExitCode::kBadData, name, ": not the tokenizer.json that is expected: ", error.what());
  } catch (const Error& error) {
    const std::string what = error.what();
    fail(error.code(), what.starts_with(name) ? "" : name + ": ", what);
  }
}

}  // namespace bessemer::data
