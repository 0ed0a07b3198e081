#include "data/corpus.h"

#include <algorithm>

#include "data/shard_set.h"
#include "parallel/error.h"

namespace bessemer::data {
namespace {

class ShardedCorpus final : public Corpus {
 public:
  ShardedCorpus(std::vector<TokenShard> shards, int64_t sequence) : shards_(std::move(shards)), sequence_(sequence) {
    for (const auto& shard : shards_) begins_.push_back(begins_.back() + static_cast<int64_t>(shard.facts().tokens));
  }
  int64_t tokens() const override { return begins_.back(); }
  int64_t sequence() const override { return sequence_; }
  int64_t windows() const override { return (tokens() - 1) / sequence_; }
  int64_t vocab_size() const override { return shards_.front().facts().vocab_size; }
  std::string tokenizer_sha256() const override { return shards_.front().facts().tokenizer_sha256; }
  std::string content_id() const override { return shards_.front().facts().dataset_id; }

  void read_window(int64_t window, std::span<int64_t> out) const override {
    BESSEMER_CHECK_DATA(window >= 0 && window < windows(), shards_.front().path(), ": window ", window, " of ",
                        windows(), " is wanted");
    BESSEMER_CHECK_DATA(out.size() == static_cast<std::size_t>(sequence_) + 1, "a window has ", sequence_ + 1,
                        " tokens, room for ", out.size(), " was given");
    int64_t at = window * sequence_;
    auto shard = static_cast<std::size_t>(std::upper_bound(begins_.begin(), begins_.end(), at) - begins_.begin()) - 1;
    for (; !out.empty(); ++shard) {  // a window may cross shards, empty ones among them
      const auto n = std::min<std::size_t>(out.size(), static_cast<std::size_t>(begins_[shard + 1] - at));
      shards_[shard].read(static_cast<uint64_t>(at - begins_[shard]), out.first(n));
      at += static_cast<int64_t>(n);
      out = out.subspan(n);
    }
  }

 private:
  std::vector<TokenShard> shards_;
  std::vector<int64_t> begins_{0};  // shard i holds tokens [begins_[i], begins_[i + 1])
  int64_t sequence_;
};

}  // namespace

std::shared_ptr<const Corpus> Corpus::open(const std::string& directory, const std::string& split, int64_t sequence,
                                           bool verify_every_read) {
  BESSEMER_CHECK(sequence >= 1, "a sequence of ", sequence, " tokens; at least 1 is expected");
  auto corpus = std::make_shared<ShardedCorpus>(open_shards(directory, split, verify_every_read), sequence);
  BESSEMER_CHECK_DATA(corpus->tokens() >= sequence + 1, directory, ": split '", split, "' has ", corpus->tokens(),
                      " tokens, at least sequence + 1 = ", sequence + 1,
                      " are expected; use more text or a shorter model.sequence");
  return corpus;
}

}  // namespace bessemer::data
