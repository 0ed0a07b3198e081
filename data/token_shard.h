#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "data/hdf5.h"
#include "data/options.h"

namespace bessemer::data {

constexpr uint64_t kBlockTokens =
    16384;  ///< tokens under one CRC32C; small, as a random window first touches whole blocks

/// What a token shard says of itself: its attributes (data/README.md has the table).
struct ShardFacts {
  std::string split;
  uint32_t index = 0;
  uint32_t count = 1;
  std::string dataset_id;  ///< 32 hex digits, the same in all shards of one build
  uint64_t tokens = 0;     ///< the writer counts them
  uint64_t documents = 0;  ///< likewise
  bool continues = false;  ///< the first document began in the shard before
  std::string tokenizer_name;
  std::string tokenizer_kind;
  std::string tokenizer_sha256;
  uint32_t vocab_size = 0;
  int64_t eod_id = -1;
  int64_t bos_id = -1;
  int64_t pad_id = -1;
  bool sentences = false;    ///< there is a table of where they begin
  bool loss_mask = false;    ///< there is a byte for each token: 0 where it is not to be predicted, else 1
  uint64_t loss_tokens = 0;  ///< with a mask: those to be predicted; the writer counts them
  std::string normalizer = "none";
  std::string source = "[]";   ///< JSON array of {name, sha256, bytes}
  std::string content_sha256;  ///< over the little-endian token bytes; the writer computes it
  Dtype dtype() const { return vocab_size <= 65536 ? Dtype::kU16 : Dtype::kU32; }
};

/// "train-00000-of-00002.h5"
std::string shard_name(const std::string& split, uint32_t index, uint32_t count);

/// Writes one shard, in bounded memory; it appears under its name when complete (finish), or not at all.
class TokenShardWriter {
 public:
  TokenShardWriter(std::string path, ShardFacts facts);
  ~TokenShardWriter();  ///< removes what finish() has not published
  /// \param loss_mask  one for each id, where facts.loss_mask; else none.
  /// Errors: Error (65) for an id >= vocab_size or a mask above 1, (69) where the disk cannot be written.
  void append(std::span<const uint32_t> ids, std::span<const uint8_t> loss_mask = {});
  void end_document();
  void end_sentence();  ///< facts.sentences only
  uint64_t tokens() const;
  ShardFacts finish();  ///< a document that is still open ends here

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// One shard, open for reading from any thread.
///
/// Opening checks format, version, kind, types, shapes, counts, offsets and the checksums of the tables; the checksum
/// and the ids of a block of tokens are checked as `check` says. Contiguous tokens are read past HDF5 and its lock; any
/// other layout through it. Errors: Error (65) naming file, found and expected.
class TokenShard {
 public:
  explicit TokenShard(const std::string& path, BlockCheck check = BlockCheck::kTouch);
  ~TokenShard();
  TokenShard(TokenShard&&) noexcept;
  TokenShard& operator=(TokenShard&&) noexcept;
  const std::string& path() const;
  const ShardFacts& facts() const;
  void read(uint64_t first, std::span<int64_t> out) const;  ///< tokens [first, first + out.size())
  /// The mask of tokens [first, first + out.size()); all ones where the shard has none.
  void loss_mask(uint64_t first, std::span<uint8_t> out) const;
  /// Where document `d` of the shard begins and ends.
  std::pair<uint64_t, uint64_t> document(uint64_t d) const;
  /// doc_offsets[first, first + out.size()): where documents begin, and the last one ends.
  void document_offsets(uint64_t first, std::span<uint64_t> out) const;
  /// Where sentences begin, of those that begin in [first, last). Errors: Error (65) where facts().sentences is not
  /// set.
  std::vector<uint64_t> sentences_between(uint64_t first, uint64_t last) const;
  void verify() const;  ///< every block, the SHA-256 of all tokens, the number of those to be predicted

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace bessemer::data
