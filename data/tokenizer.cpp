#include "data/tokenizer.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "data/file.h"
#include "data/sha256.h"
#include "data/utf8.h"
#include "parallel/error.h"

namespace bessemer::data {
namespace {

using nlohmann::json;

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
  void encode(std::string_view text, std::vector<uint32_t>& out) const override {
    for (const char c : text) out.push_back(static_cast<unsigned char>(c));
  }
  std::string decode_one(uint32_t id) const override {
    BESSEMER_CHECK_DATA(id < 256, "token id ", id, " has no byte; ids below 256 are expected");
    return {static_cast<char>(id)};
  }
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
  void encode(std::string_view text, std::vector<uint32_t>& out) const override {
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
  std::string decode_one(uint32_t id) const override {
    BESSEMER_CHECK_DATA(id < characters_.size(), "token id ", id, " has no character; ids below ", characters_.size(),
                        " are expected");
    return characters_[id];
  }
  std::string json() const override {
    auto all = header(*this);
    all["characters"] = characters_;
    return all.dump(2) + "\n";
  }

 private:
  std::vector<std::string> characters_;
  std::vector<int32_t> ids_;  // by code point; -1: not in the set
};

}  // namespace

std::string Tokenizer::decode(const std::vector<uint32_t>& ids) const {
  std::string text;
  for (const uint32_t id : ids) text += decode_one(id);
  return text;
}

/// The table in canonical form: for each id its length in bytes (u32, little-endian), then the bytes.
std::string Tokenizer::sha256() const {
  Sha256 hash;
  for (int64_t id = 0; id < vocab_size(); ++id) {
    const std::string bytes = decode_one(static_cast<uint32_t>(id));
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

std::unique_ptr<Tokenizer> load_tokenizer(const std::string& text) {
  try {
    const auto all = json::parse(text);
    BESSEMER_CHECK_DATA(all.at("format") == "bessemer-tokenizer" && all.at("version") == 1, "tokenizer: format ",
                        all.at("format").dump(), " version ", all.at("version").dump(),
                        ", bessemer-tokenizer version 1 is expected");
    const std::string kind = all.at("kind");
    if (kind == "bytes") return make_bytes_tokenizer();
    BESSEMER_CHECK_DATA(kind == "chars", "tokenizer: kind '", kind, "', bytes or chars are expected");
    return make_chars_tokenizer(all.at("characters").get<std::vector<std::string>>());
  } catch (const json::exception& error) {
    fail(ExitCode::kBadData, "tokenizer: not the JSON that is expected: ", error.what());
  }
}

std::unique_ptr<Tokenizer> open_tokenizer(const std::string& data_directory) {
  const std::string path = data_directory + "/tokenizer/tokenizer.json";
  try {
    return load_tokenizer(read_file(path, 100 << 20));
  } catch (const Error& error) {
    fail(error.code(), std::string(error.what()).rfind(path, 0) == 0 ? "" : path + ": ", error.what());
  }
}

}  // namespace bessemer::data
