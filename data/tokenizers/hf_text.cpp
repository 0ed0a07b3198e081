// What a tokenizer.json does to a text before its model: "normalizer" and "pre_tokenizer".
#include <nlohmann/json.hpp>

#include "data/base64.h"
#include "data/tokenizers/hf_parts.h"
#include "data/tokenizers/normalizer.h"
#include "data/tokenizers/simple_splitters.h"
#include "data/tokenizers/split.h"
#include "data/utf8.h"
#include "parallel/error.h"

namespace bessemer::data {
namespace {

using nlohmann::json;

/// A field that may be null.
template <typename T>
T value_or(const json& object, const char* field, T fallback) {
  const auto found = object.find(field);
  return found == object.end() || found->is_null() ? fallback : found->get<T>();
}

std::unique_ptr<Normalizer> replace(const json& n) {
  const auto& pattern = n.at("pattern");
  if (pattern.contains("String")) return make_replace(pattern["String"], n.at("content"));
  return make_regex_replace(pattern.at("Regex"), n.at("content"));
}

std::unique_ptr<Normalizer> bert(const json& n) {
  BertOptions options;
  options.clean_text = value_or(n, "clean_text", true);
  options.handle_chinese_chars = value_or(n, "handle_chinese_chars", true);
  options.lowercase = value_or(n, "lowercase", true);
  options.strip_accents = value_or(n, "strip_accents", options.lowercase);
  return make_bert_normalizer(options);
}

/// Whether it changes each character by itself, or with marks that follow it: then a cut between two words changes
/// nothing.
bool is_local(const std::string& type) {
  return type == "NFC" || type == "NFD" || type == "NFKC" || type == "NFKD" || type == "Lowercase" ||
         type == "StripAccents" || type == "BertNormalizer" || type == "Nmt";
}

std::unique_ptr<Normalizer> normalizer(const json& n, PipelineParts& parts);

std::unique_ptr<Normalizer> sequence(const json& n, PipelineParts& parts) {
  std::vector<std::unique_ptr<Normalizer>> all;
  for (const auto& one : n.at("normalizers")) all.push_back(normalizer(one, parts));
  return make_sequence_normalizer(std::move(all));
}

std::unique_ptr<Normalizer> normalizer(const json& n, PipelineParts& parts) {
  const std::string type = n.at("type");
  if (type == "Sequence") return sequence(n, parts);
  parts.normalizer_name = parts.normalizer_name == "none" ? type : parts.normalizer_name + ", " + type;
  parts.cuts_are_safe = parts.cuts_are_safe && is_local(type);
  if (type == "NFC") return make_normal_form(NormalForm::kNfc);
  if (type == "NFD") return make_normal_form(NormalForm::kNfd);
  if (type == "NFKC") return make_normal_form(NormalForm::kNfkc);
  if (type == "NFKD") return make_normal_form(NormalForm::kNfkd);
  if (type == "Lowercase") return make_lowercase();
  if (type == "StripAccents") return make_strip_accents();
  if (type == "Strip") return make_strip(value_or(n, "strip_left", true), value_or(n, "strip_right", true));
  if (type == "Prepend") return make_prepend(n.at("prepend"));
  if (type == "Replace") return replace(n);
  if (type == "BertNormalizer") return bert(n);
  if (type == "Nmt") return make_nmt();
  if (type == "Precompiled") return make_precompiled(base64_decode(n.at("precompiled_charsmap").get<std::string>()));
  fail(ExitCode::kBadData, "normalizer '", type, "' is not known here");
}

SplitBehavior behavior_of(const json& p) {
  const std::string name = p.at("behavior");
  if (name == "Isolated") return SplitBehavior::kIsolated;
  if (name == "Removed") return SplitBehavior::kRemoved;
  if (name == "MergedWithPrevious") return SplitBehavior::kMergedWithPrevious;
  if (name == "MergedWithNext") return SplitBehavior::kMergedWithNext;
  BESSEMER_CHECK_DATA(name == "Contiguous", "behavior '", name, "' is not known here");
  return SplitBehavior::kContiguous;
}

/// A text as a regular expression for itself.
std::string quoted(const std::string& text) {
  std::string out;
  for (const char c : text) {
    const bool plain = static_cast<unsigned char>(c) >= 0x80 || std::isalnum(static_cast<unsigned char>(c)) || c == ' ';
    out += plain ? std::string(1, c) : std::string("\\") + c;
  }
  return out;
}

using Splitters = std::vector<std::unique_ptr<Splitter>>;

std::unique_ptr<Splitter> split(const json& p) {
  const auto& pattern = p.at("pattern");
  const std::string expression =
      pattern.contains("Regex") ? pattern["Regex"].get<std::string>() : quoted(pattern.at("String"));
  return make_regex_splitter(expression, behavior_of(p), value_or(p, "invert", false));
}

void byte_level(const json& p, PipelineParts& parts, Splitters& splitters) {
  parts.byte_level = true;
  if (value_or(p, "add_prefix_space", false)) {
    parts.prefix = " ";
    parts.prefix_at = splitters.empty() ? PipelineParts::PrefixAt::kEvery : PipelineParts::PrefixAt::kPiece;
  }
  if (!value_or(p, "use_regex", true)) return;
  BESSEMER_CHECK_DATA(
      parts.prefix_at != PipelineParts::PrefixAt::kPiece,
      "pre_tokenizer 'ByteLevel' that puts a space before each piece and splits it again is not known here");
  splitters.push_back(make_splitter(SplitPattern::kGpt2));
}

/// Spaces become U+2581, which also goes before the text; a piece begins at each.
void metaspace(const json& p, PipelineParts& parts, Splitters& splitters) {
  const std::string mark = p.value("replacement", "\xE2\x96\x81");
  const std::string scheme =
      value_or(p, "prepend_scheme", std::string(value_or(p, "add_prefix_space", true) ? "always" : "never"));
  BESSEMER_CHECK_DATA(scheme == "always" || scheme == "first" || scheme == "never", "prepend_scheme '", scheme,
                      "' is not known here");
  parts.prefix = mark;
  if (splitters.empty()) {
    parts.rewrite = make_replace(" ", mark);
    parts.prefix_at = scheme == "always"  ? PipelineParts::PrefixAt::kEvery
                      : scheme == "first" ? PipelineParts::PrefixAt::kFirst
                                          : PipelineParts::PrefixAt::kNever;
    if (value_or(p, "split", true))
      splitters.push_back(make_regex_splitter(quoted(mark), SplitBehavior::kMergedWithNext, false));
    parts.cuts_are_safe = false;
    return;
  }
  // Behind a splitter that has taken the spaces away it only marks each piece.
  BESSEMER_CHECK_DATA(scheme != "first",
                      "pre_tokenizer 'Metaspace' behind another with prepend_scheme 'first' is not known here");
  if (scheme == "always") parts.prefix_at = PipelineParts::PrefixAt::kPiece;
}

void pre_tokenizer(const json& p, PipelineParts& parts, Splitters& splitters) {
  const std::string type = p.at("type");
  if (type == "Sequence") {
    for (const auto& one : p.at("pretokenizers")) pre_tokenizer(one, parts, splitters);
  } else if (type == "ByteLevel") {
    byte_level(p, parts, splitters);
  } else if (type == "Metaspace") {
    metaspace(p, parts, splitters);
  } else if (type == "Split") {
    splitters.push_back(split(p));
  } else if (type == "BertPreTokenizer") {
    splitters.push_back(make_bert_splitter());
  } else if (type == "Whitespace") {
    splitters.push_back(make_whitespace_splitter());
  } else if (type == "WhitespaceSplit") {
    splitters.push_back(make_whitespace_only_splitter());
  } else if (type == "Punctuation") {
    splitters.push_back(make_punctuation_splitter(p.contains("behavior") ? behavior_of(p) : SplitBehavior::kIsolated));
  } else if (type == "Digits") {
    splitters.push_back(make_digits_splitter(value_or(p, "individual_digits", false)));
  } else if (type == "CharDelimiterSplit") {
    uint32_t code = 0;
    const std::string delimiter = p.at("delimiter");
    BESSEMER_CHECK_DATA(decode_utf8(delimiter, code) > 0, "delimiter '", delimiter, "': one character is expected");
    splitters.push_back(make_delimiter_splitter(code));
  } else {
    fail(ExitCode::kBadData, "pre_tokenizer '", type, "' is not known here");
  }
}

}  // namespace

void read_normalizer(const json& n, PipelineParts& parts) {
  if (!n.is_null()) parts.normalizer = normalizer(n, parts);
}

void read_pre_tokenizer(const json& p, PipelineParts& parts) {
  Splitters splitters;
  if (!p.is_null()) pre_tokenizer(p, parts, splitters);
  if (!splitters.empty()) parts.splitter = make_sequence_splitter(std::move(splitters));
}

}  // namespace bessemer::data
