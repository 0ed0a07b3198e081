#include "data/tokenizer.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <utility>

#include "data/base64.h"
#include "data/file.h"
#include "data/sha256.h"
#include "data/tokenizers/hf_json.h"
#include "data/tokenizers/hf_parts.h"
#include "data/tokenizers/sentencepiece.h"
#include "data/tokenizers/vocab_files.h"
#include "data/utf8.h"
#include "parallel/error.h"

namespace bessemer::data {
namespace {

using nlohmann::json;
constexpr uint64_t kLargestJson = 256 << 20;

json header(const Tokenizer& tokenizer) {
  return {{"format", "bessemer-tokenizer"},
          {"version", 1},
          {"kind", tokenizer.kind()},
          {"vocab_size", tokenizer.vocab_size()},
          {"eod_id", tokenizer.eod_id}};
}

/// id = byte: 256 ids, nothing else (no end-of-document id). Any bytes are text.
class Bytes final : public Tokenizer {
 public:
  std::string kind() const override { return "bytes"; }
  int64_t vocab_size() const override { return 256; }
  std::unique_ptr<Encoder> encoder(SpecialText) const override {
    struct ByteEncoder final : Encoder {
      void encode(std::string_view text, TokenIds& out) override {
        for (const char c : text) out.push_back(static_cast<unsigned char>(c));
      }
    };
    return std::make_unique<ByteEncoder>();
  }
  std::string token(uint32_t id) const override {
    BESSEMER_CHECK_DATA(id < 256, "token id ", id, " has no byte; ids below 256 are expected");
    return {static_cast<char>(id)};
  }
  std::size_t safe_cut(std::string_view text) const override { return text.size(); }
  std::string json() const override { return header(*this).dump(2) + "\n"; }
};

/// id = place of the character in the sorted set of characters, as nanoGPT's shakespeare_char.
class Chars final : public Tokenizer {
 public:
  explicit Chars(std::vector<std::string> characters) : characters_(std::move(characters)) {
    int64_t last = -1;
    for (const auto& character : characters_) {
      uint32_t code = 0;
      BESSEMER_CHECK_DATA(decode_utf8(character, code) == static_cast<int>(character.size()), "tokenizer: '", character,
                          "' is not one character in UTF-8");
      BESSEMER_CHECK_DATA(static_cast<int64_t>(code) > last, "tokenizer: character '", character, "' (U+", std::hex,
                          code, ") is not above the one before it; a sorted set is expected");
      last = code;
      ids_.resize(code + 1, -1);
      ids_[code] = static_cast<int32_t>(&character - characters_.data());
    }
  }
  std::string kind() const override { return "chars"; }
  int64_t vocab_size() const override { return static_cast<int64_t>(characters_.size()); }
  std::unique_ptr<Encoder> encoder(SpecialText) const override {
    struct CharacterEncoder final : Encoder {
      explicit CharacterEncoder(const Chars& of) : chars(of) {}
      void encode(std::string_view text, TokenIds& out) override { chars.encode_characters(text, out); }
      const Chars& chars;
    };
    return std::make_unique<CharacterEncoder>(*this);
  }
  std::string token(uint32_t id) const override {
    BESSEMER_CHECK_DATA(id < characters_.size(), "token id ", id, " has no character; ids below ", characters_.size(),
                        " are expected");
    return characters_[id];
  }
  std::size_t safe_cut(std::string_view text) const override { return whole_characters(text); }
  std::string json() const override {
    auto all = header(*this);
    all["characters"] = characters_;
    return all.dump(2) + "\n";
  }

 private:
  void encode_characters(std::string_view text, TokenIds& out) const {
    for (std::size_t at = 0; at < text.size();) {
      uint32_t code = 0;
      const int length = decode_utf8(text.substr(at), code);
      BESSEMER_CHECK_DATA(length > 0, "text is not UTF-8 at byte ", at);
      const int32_t id = code < ids_.size() ? ids_[code] : -1;
      BESSEMER_CHECK_DATA(id >= 0, "character '", text.substr(at, static_cast<std::size_t>(length)), "' at byte ", at,
                          " is not among the ", characters_.size(), " characters of this vocabulary");
      out.push_back(static_cast<uint32_t>(id));
      at += static_cast<std::size_t>(length);
    }
  }
  std::vector<std::string> characters_;
  std::vector<int32_t> ids_;  // by code point; -1: not in the set
};

/// Tokens are their bytes, one after another.
class PlainDecoder final : public Decoder {
 public:
  explicit PlainDecoder(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}

 protected:
  std::string text_of(uint32_t id) override { return tokenizer_.token(id); }

 private:
  const Tokenizer& tokenizer_;
};

}  // namespace

std::string Decoder::next(uint32_t id) {
  held_ += text_of(id);
  const std::size_t whole = whole_characters(held_);
  std::string out = held_.substr(0, whole);
  held_.erase(0, whole);
  return out;
}

std::string Decoder::finish() {
  held_ += owed();
  restart();
  return std::exchange(held_, {});
}

void Encoder::encode_parts(std::span<const TextPart> parts, TokenIds& out) {
  for (const auto& part : parts) {
    if (part.token >= 0)
      out.push_back(static_cast<uint32_t>(part.token));
    else
      encode(part.text, out);
  }
}

int64_t Tokenizer::special_token(std::string_view) const { return -1; }

std::unique_ptr<Decoder> Tokenizer::decoder() const { return std::make_unique<PlainDecoder>(*this); }

TokenIds Tokenizer::encode(std::string_view text) const {
  TokenIds ids;
  encoder()->encode(text, ids);
  return ids;
}

std::string Tokenizer::decode(const TokenIds& ids) const {
  const auto one = decoder();
  std::string text;
  for (const uint32_t id : ids) text += one->next(id);
  return text + one->finish();
}

/// The table in canonical form: for each id its length in bytes (u32, little-endian), then the bytes.
std::string Tokenizer::sha256() const {
  Sha256 hash;
  for (int64_t id = 0; id < vocab_size(); ++id) {
    const std::string bytes = token(static_cast<uint32_t>(id));
    const auto length = static_cast<uint32_t>(bytes.size());
    hash.update(&length, sizeof length);
    hash.update(bytes);
  }
  return hash.hex();
}

std::unique_ptr<Tokenizer> make_bytes_tokenizer() { return std::make_unique<Bytes>(); }

std::unique_ptr<Tokenizer> make_chars_tokenizer(std::vector<std::string> sorted_characters) {
  return std::make_unique<Chars>(std::move(sorted_characters));
}

std::unique_ptr<Tokenizer> open_tokenizer_spec(const std::string& spec) {
  if (spec == "bytes") return make_bytes_tokenizer();
  const auto colon = spec.find(':');
  const std::string kind = spec.substr(0, colon), path = colon == std::string::npos ? "" : spec.substr(colon + 1);
  const bool known = kind == "gpt2" || kind == "hf" || kind == "wordpiece" || kind == "sentencepiece" || kind == "data";
  BESSEMER_CHECK(
      known && !path.empty(), "tokenizer '", spec,
      "' is unknown; choose bytes, gpt2:DIR, hf:FILE (or hf:DIR), wordpiece:FILE, sentencepiece:FILE or data:DIR");
  if (kind == "hf" && std::filesystem::is_directory(path)) {
    const std::string inside = tokenizer_spec_of(path);
    BESSEMER_CHECK_DATA(!inside.empty(), path,
                        ": no tokenizer is there; tokenizer.json, vocab.json and merges.txt, vocab.txt ",
                        "or tokenizer.model is expected");
    return open_tokenizer_spec(inside);
  }
  if (kind == "gpt2") return open_gpt2(path);
  if (kind == "wordpiece") return open_wordpiece(path);
  if (kind == "sentencepiece") return open_sentencepiece(path);
  return kind == "data" ? open_tokenizer(path) : hf_tokenizer(read_file(path, kLargestJson), path);
}

std::string tokenizer_spec_of(const std::string& directory) {
  const auto has = [&](const char* name) {
    std::error_code error;
    return std::filesystem::is_regular_file(directory + "/" + name, error);
  };
  if (has("tokenizer.json")) return "hf:" + directory + "/tokenizer.json";
  if (has("vocab.json") && has("merges.txt")) return "gpt2:" + directory;
  if (has("vocab.txt")) return "wordpiece:" + directory + "/vocab.txt";
  if (has("tokenizer.model")) return "sentencepiece:" + directory + "/tokenizer.model";
  return "";
}

std::unique_ptr<Tokenizer> load_tokenizer(const std::string& text) {
  try {
    const auto all = parse_json(text);
    if (all.is_object() && all.contains("model") && !all.contains("format")) return hf_tokenizer(text, "tokenizer");
    BESSEMER_CHECK_DATA(all.at("format") == "bessemer-tokenizer" && all.at("version") == 1, "tokenizer: format ",
                        all.at("format").dump(), " version ", all.at("version").dump(),
                        ", bessemer-tokenizer version 1 or a Hugging Face tokenizer.json is expected");
    const std::string kind = all.at("kind");
    if (kind == "bytes") return make_bytes_tokenizer();
    if (kind == "sentencepiece")
      return sentencepiece_from_bytes(base64_decode(all.at("model").get<std::string>()), "tokenizer");
    BESSEMER_CHECK_DATA(kind == "chars", "tokenizer: kind '", kind, "'; bytes, chars or sentencepiece are expected");
    return make_chars_tokenizer(all.at("characters").get<std::vector<std::string>>());
  } catch (const json::exception& error) {
    fail(ExitCode::kBadData, "tokenizer: not the JSON that is expected: ", error.what());
  }
}

std::unique_ptr<Tokenizer> open_tokenizer(const std::string& data_directory) {
  const std::string path = data_directory + "/tokenizer/tokenizer.json";
  try {
    return load_tokenizer(read_file(path, kLargestJson));
  } catch (const Error& error) {
    fail(error.code(), std::string(error.what()).rfind(path, 0) == 0 ? "" : path + ": ", error.what());
  }
}

}  // namespace bessemer::data
