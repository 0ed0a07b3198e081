#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace bessemer::data {

/// The token shards of one split of a data directory, as one array of tokens (memory-mapped where contiguous).
class Corpus {
 public:
  /// \param sequence  windows are sequence + 1 tokens, one every `sequence`.
  /// \param verify_every_read  DataOptions::verify: check a block's checksum at every read, not only the first.
  /// Errors: Error (65) naming file, found and expected: missing, truncated, foreign, wrong dtype, incomplete set,
  /// checksum, token id >= vocab_size, fewer than sequence + 1 tokens.
  static std::shared_ptr<const Corpus> open(const std::string& directory, const std::string& split, int64_t sequence,
                                            bool verify_every_read = false);
  virtual ~Corpus() = default;
  virtual int64_t tokens() const = 0;
  virtual int64_t sequence() const = 0;
  virtual int64_t windows() const = 0;  ///< (tokens - 1) / sequence
  virtual int64_t vocab_size() const = 0;
  virtual std::string tokenizer_sha256() const = 0;
  virtual std::string content_id() const = 0;  ///< dataset_id: same for equal builds; a resume checks it
  /// tokens [w s, w s + s + 1), checksums verified on the first touch of each block, ids < vocab_size checked.
  virtual void read_window(int64_t window, std::span<int64_t> out) const = 0;
};

}  // namespace bessemer::data
