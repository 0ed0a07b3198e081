#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bessemer::data {

using TokenIds = std::vector<uint32_t>;

/// A stretch of text, or a token that stands between two.
struct TextPart {
  std::string_view text;  ///< of a token: what it stands for, not looked at
  int64_t token = -1;     ///< its id; -1: text
};

/// One thread's way from text to ids: it keeps scratch memory and remembers words, so that a tokenizer itself is
/// shared.
class Encoder {
 public:
  virtual ~Encoder() = default;
  /// Appends the ids of `text`, as the reference does without special tokens of its own (no BOS, no template).
  /// Bytes that are not UTF-8 become U+FFFD each (one per maximal broken part, as Unicode recommends) and are counted,
  /// but for `bytes`, which takes anything, and `chars`, which refuses. Errors: Error (65) where the text has what the
  /// vocabulary has not (named, with its position).
  virtual void encode(std::string_view text, TokenIds& out) = 0;
  /// Likewise, of one text in which the tokens are put by their ids, as if their texts had been found there.
  virtual void encode_parts(std::span<const TextPart> parts, TokenIds& out);
  uint64_t replaced() const { return replaced_; }  ///< broken parts replaced so far

 protected:
  uint64_t replaced_ = 0;
};

/// Ids back to text, one at a time; gives out only whole characters.
class Decoder {
 public:
  virtual ~Decoder() = default;
  std::string next(uint32_t id);  ///< what the text has grown by; "" while a character is incomplete
  std::string finish();           ///< what is left, as it is; the decoder is then new again

 protected:
  virtual std::string text_of(uint32_t id) = 0;  ///< bytes, which may begin or end within a character
  virtual void restart() {}
  virtual std::string owed() { return {}; }  ///< what `text_of` has kept back; asked when the ids end, before `restart`

 private:
  std::string held_;
};

/// What of the special tokens' texts ("<|endoftext|>") inside plain text means the token.
enum class SpecialText { kPlain, kParse };

/// Text to token ids and back. Immutable, so any number of threads may share one.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;
  virtual std::string kind() const = 0;  ///< "bytes", "chars", "bpe", "wordpiece", "unigram"
  virtual int64_t vocab_size() const = 0;
  virtual std::unique_ptr<Encoder> encoder(SpecialText special = SpecialText::kPlain) const = 0;
  virtual std::unique_ptr<Decoder> decoder() const;
  /// The bytes that a token stands for in the vocabulary; "" for ids that it leaves out. Errors: Error (65) beyond
  /// vocab_size().
  virtual std::string token(uint32_t id) const = 0;
  virtual std::string normalizer() const { return "none"; }  ///< in words, for the shards
  /// The special token that SpecialText::kParse would find by this text; -1: none. Errors: Error (65) for one that
  /// cannot be put between texts safely: it is found in plain text too, or takes the white space beside it.
  virtual int64_t special_token(std::string_view text) const;
  /// The greatest n such that encoding text[0, n) and then the rest gives the ids of the whole; 0: nowhere.
  virtual std::size_t safe_cut(std::string_view text) const = 0;
  virtual std::string json() const = 0;  ///< what `load_tokenizer` reads: kept beside the shards and in checkpoints

  TokenIds encode(std::string_view text) const;
  std::string decode(const TokenIds& ids) const;
  /// Identity, whatever file it came from: SHA-256 over the canonical id -> bytes table.
  std::string sha256() const;

  int64_t bos_id = -1, eod_id = -1, pad_id = -1;  ///< begins a document, ends one, fills up; -1: none
  TokenIds template_before,
      template_after;  ///< what the tokenizer's own template puts around one text: [CLS] ... [SEP]
};

std::unique_ptr<Tokenizer> make_bytes_tokenizer();
std::unique_ptr<Tokenizer> make_chars_tokenizer(std::vector<std::string> sorted_characters);

/// `bytes`, `gpt2:DIR`, `hf:FILE` or `hf:DIR` (a model's directory), `wordpiece:FILE`, `sentencepiece:FILE`, `data:DIR`
/// (that of a data set). Errors: Error (64) for another SPEC, (65) naming file, found and expected.
std::unique_ptr<Tokenizer> open_tokenizer_spec(const std::string& spec);
/// The SPEC of the tokenizer in a model's directory of Hugging Face's; "": there is none that we know.
std::string tokenizer_spec_of(const std::string& directory);
/// From the text of `Tokenizer::json`, or of a Hugging Face tokenizer.json.
std::unique_ptr<Tokenizer> load_tokenizer(const std::string& json);
/// The tokenizer kept in a data directory (tokenizer/tokenizer.json).
std::unique_ptr<Tokenizer> open_tokenizer(const std::string& data_directory);

}  // namespace bessemer::data
