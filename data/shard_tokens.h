#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "data/token_shard.h"

namespace bessemer::data {

/// The shards of a split as one array of tokens, cut into documents. A document that goes on in the next shard is one.
class ShardTokens {
 public:
  /// Shard `i`, for as long as it is held: it may be elsewhere until it is read.
  using OpenShard = std::function<std::shared_ptr<const TokenShard>(std::size_t i)>;
  explicit ShardTokens(std::vector<TokenShard> shards);
  /// \param path   of the first one, for errors.
  /// \param facts  of all shards, in order.
  ShardTokens(std::string path, std::vector<ShardFacts> facts, OpenShard open);
  const ShardFacts& facts() const { return facts_.front(); }
  const std::string& path() const { return path_; }
  int64_t size() const { return begins_.back(); }
  /// Tokens [first, first + out.size()). Errors: as TokenShard::read.
  void read(int64_t first, std::span<int64_t> out) const;

  bool has_loss_mask() const { return facts().loss_mask; }
  /// Which of tokens [first, first + out.size()) are to be predicted: 1, else 0. Errors: likewise.
  void loss_mask(int64_t first, std::span<uint8_t> out) const;

  int64_t documents() const { return documents_.back(); }
  /// Where document `d` begins; size() for d = documents(). Some may be empty.
  int64_t document_begin(int64_t d) const;
  /// The beginnings of documents [first, last), and size() for documents() itself.
  std::vector<int64_t> document_begins(int64_t first, int64_t last) const;
  bool has_sentences() const { return facts().sentences; }
  /// Where sentences begin in [first, last); one that a shard's end cuts is two. Errors: as
  /// TokenShard::sentences_between.
  std::vector<int64_t> sentences_between(int64_t first, int64_t last) const;
  /// The first document that begins at or behind `token`.
  int64_t first_document_from(int64_t token) const;

 private:
  void number();
  template <class T, class Read>
  void read_parts(int64_t first, std::span<T> out, const Read& read) const;

  std::string path_;
  std::vector<ShardFacts> facts_;
  OpenShard open_;
  std::vector<int64_t> begins_{0};     // shard i holds tokens [begins_[i], begins_[i + 1])
  std::vector<int64_t> documents_{0};  // documents [documents_[i], documents_[i + 1]) begin in it
};

}  // namespace bessemer::data
