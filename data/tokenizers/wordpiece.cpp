#include "data/tokenizers/wordpiece.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "data/file.h"
#include "data/tokenizers/unicode.h"
#include "data/utf8.h"
#include "parallel/error.h"

namespace bessemer::data {
namespace {

constexpr uint64_t kMaxVocabBytes = 64 << 20;

using TokenPlaces = std::unordered_map<std::string_view, std::size_t>;

/// Words that stand for the parts of HF's clean-up. They hold within one token, as there.
struct Cleanup {
  std::string_view found, made;
};
constexpr Cleanup kCleanups[] = {{" .", "."},   {" ?", "?"},     {" !", "!"},    {" ,", ","},
                                 {" ' ", "'"},  {" n't", "n't"}, {" 'm", "'m"},  {" do not", " don't"},
                                 {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};

void replace_all(std::string& text, const Cleanup& cleanup) {
  for (std::size_t at = text.find(cleanup.found); at != std::string::npos; at = text.find(cleanup.found, at)) {
    text.replace(at, cleanup.found.size(), cleanup.made);
    at += cleanup.made.size();
  }
}

class WordPieceDecoder final : public Decoder {
 public:
  WordPieceDecoder(const Tokenizer& tokenizer, std::string prefix, bool cleanup)
      : tokenizer_(tokenizer), prefix_(std::move(prefix)), cleanup_(cleanup) {}

 protected:
  std::string text_of(uint32_t id) override {
    std::string text = tokenizer_.token(id);
    if (text.empty()) return text;  // an id that the vocabulary leaves out
    if (!std::exchange(first_, false)) {
      if (text.starts_with(prefix_)) {
        text.erase(0, prefix_.size());
      } else {
        text.insert(0, 1, ' ');
      }
    }
    if (cleanup_) {
      for (const auto& cleanup : kCleanups) replace_all(text, cleanup);
    }
    return text;
  }
  void restart() override { first_ = true; }

 private:
  const Tokenizer& tokenizer_;
  std::string prefix_;
  bool cleanup_, first_ = true;
};

void check_utf8(std::string_view line, const std::string& path, std::size_t number) {
  const std::size_t at = first_broken(line);
  BESSEMER_CHECK_DATA(at == line.size(), path, ":", number, ": byte ", at + 1, " of the line is not UTF-8");
}

std::string_view without_end_space(std::string_view line) {
  const char* end = line.data() + line.size();
  for (const char* at = end; at != line.data() && is_space(previous_code(at));) end = at;
  return line.substr(0, static_cast<std::size_t>(end - line.data()));
}

std::vector<ByteTrie::Entry> entries_of(const std::vector<std::string>& tokens) {
  std::vector<ByteTrie::Entry> entries;
  for (std::size_t id = 0; id < tokens.size(); ++id) entries.push_back({tokens[id], static_cast<uint32_t>(id)});
  return entries;
}

}  // namespace

WordPiece::WordPiece(std::vector<std::string> tokens, const Options& options)
    : tokens_(std::move(tokens)), trie_(entries_of(tokens_)), max_characters_(options.max_characters_per_word),
      continuing_(trie_.root()) {
  for (const char byte : options.prefix) continues_ = continues_ && trie_.step(continuing_, byte);
  TokenPlaces places;
  for (std::size_t id = 0; id < tokens_.size(); ++id) {
    if (tokens_[id].empty()) continue;
    const auto [place, added] = places.try_emplace(tokens_[id], id);
    BESSEMER_CHECK_DATA(added, "WordPiece vocabulary: '", tokens_[id], "' has ids ", place->second, " and ", id,
                        "; one is expected");
  }
  const auto unknown = places.find(options.unknown);
  BESSEMER_CHECK_DATA(unknown != places.end(), "WordPiece vocabulary: the unknown token '", options.unknown,
                      "' is not among its ", places.size(), " tokens");
  unknown_ = static_cast<uint32_t>(unknown->second);
}

bool WordPiece::too_long(std::string_view word) const {
  if (word.size() <= max_characters_) return false;
  uint64_t characters = 0;
  for (const char byte : word) {
    characters += (static_cast<uint8_t>(byte) & 0xC0) != 0x80;
    if (characters > max_characters_) return true;
  }
  return false;
}

bool WordPiece::encode_known(std::string_view word, TokenIds& out) const {
  ByteTrie::Node from = trie_.root();
  while (!word.empty()) {
    const auto match = trie_.longest_from(from, word);
    if (match.length == 0) return false;
    out.push_back(match.id);
    word.remove_prefix(match.length);
    if (!continues_) return word.empty();
    from = continuing_;
  }
  return true;
}

void WordPiece::encode(std::string_view piece, Scratch&, TokenIds& out) const {
  const std::size_t before = out.size();
  if (!too_long(piece) && encode_known(piece, out)) return;
  out.resize(before);
  out.push_back(unknown_);
}

std::string_view WordPiece::token(uint32_t id) const {
  return id < tokens_.size() ? std::string_view(tokens_[id]) : std::string_view();
}

std::unique_ptr<Decoder> make_wordpiece_decoder(const Tokenizer& tokenizer, bool cleanup, std::string prefix) {
  return std::make_unique<WordPieceDecoder>(tokenizer, std::move(prefix), cleanup);
}

std::vector<std::string> read_vocab_txt(const std::string& path) {
  const std::string text = read_file(path, kMaxVocabBytes);
  std::vector<std::string> tokens;
  TokenPlaces lines;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = std::string_view(text).substr(at, end - at);
    const std::size_t number = tokens.size() + 1;
    check_utf8(line, path, number);
    const std::string_view token = without_end_space(line);
    const auto [place, added] = lines.try_emplace(token, number);
    BESSEMER_CHECK_DATA(added || token.empty(), path, ":", number, ": token '", token, "' stands in line ",
                        place->second, " already");
    tokens.emplace_back(token);
    at = end + 1;
  }
  BESSEMER_CHECK_DATA(lines.count("[UNK]"), path, ": none of its ", tokens.size(),
                      " lines is [UNK]; a WordPiece vocabulary, ", "one token a line, is expected");
  return tokens;
}

}  // namespace bessemer::data
