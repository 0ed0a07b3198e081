#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace bessemer::data {

/// Text to token ids and back. Later kinds (BPE, WordPiece, Unigram) fit the same face.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;
  virtual std::string kind() const = 0;  ///< "bytes", "chars"
  virtual int64_t vocab_size() const = 0;
  /// Errors: Error (65) where the text has what the vocabulary has not (named, with its position).
  virtual void encode(std::string_view text, std::vector<uint32_t>& out) const = 0;
  virtual std::string decode_one(uint32_t id) const = 0;  ///< the bytes of one token
  std::string decode(const std::vector<uint32_t>& ids) const;
  std::string sha256() const;            ///< over the canonical id -> bytes table
  virtual std::string json() const = 0;  ///< what `load` reads: kept beside the shards and in checkpoints
  int64_t eod_id = -1;                   ///< token that ends a document; -1 = none
};

std::unique_ptr<Tokenizer> make_bytes_tokenizer();
std::unique_ptr<Tokenizer> make_chars_tokenizer(std::vector<std::string> sorted_characters);
std::unique_ptr<Tokenizer> load_tokenizer(const std::string& json);
/// The tokenizer kept in a data directory (tokenizer/tokenizer.json).
std::unique_ptr<Tokenizer> open_tokenizer(const std::string& data_directory);

}  // namespace bessemer::data
