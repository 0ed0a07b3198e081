#include "data/shard_sink.h"

#include <algorithm>

#include "parallel/error.h"

namespace bessemer::data {

ShardSink::ShardSink(std::string directory, const ShardFacts& facts, const std::string& split, uint64_t tokens,
                     uint64_t shard_tokens)
    : directory_(std::move(directory)), facts_(facts), tokens_(tokens), shard_tokens_(shard_tokens),
      count_((tokens + shard_tokens - 1) / shard_tokens) {
  BESSEMER_CHECK(count_ <= 99999, "--shard-tokens ", shard_tokens, " would make ", count_,
                 " shards, at most 99999 are possible");
  facts_.split = split, facts_.count = static_cast<uint32_t>(count_);
}

uint64_t ShardSink::planned() const { return std::min(shard_tokens_, tokens_ - done_.size() * shard_tokens_); }

void ShardSink::open_next() {
  if (writer_) {
    done_.push_back(writer_->finish());
    done_.back().source.clear();  // once is enough, there may be thousands
  }
  writer_.reset();
  BESSEMER_CHECK_DATA(done_.size() < count_, "the inputs grew while they were read; start again");
  facts_.index = static_cast<uint32_t>(done_.size());
  facts_.continues = within_document_;
  writer_.emplace(directory_ + "/" + shard_name(facts_.split, facts_.index, facts_.count), facts_);
  document_in_shard_ = false;
}

void ShardSink::append(std::span<const uint32_t> ids, std::span<const uint8_t> loss_mask, bool goes_on) {
  if (!writer_ && done_.empty()) within_document_ = goes_on;
  while (!ids.empty()) {
    if (!writer_ || writer_->tokens() == planned()) open_next();
    const auto n = std::min<uint64_t>(ids.size(), planned() - writer_->tokens());
    const uint64_t masks = loss_mask.empty() ? 0 : n;
    writer_->append(ids.first(n), loss_mask.first(masks));
    ids = ids.subspan(n), loss_mask = loss_mask.subspan(masks);
    within_document_ = document_in_shard_ = true;
  }
}

void ShardSink::end_document() {
  if (document_in_shard_) writer_->end_document();
  within_document_ = document_in_shard_ = false;
}

void ShardSink::end_sentence() {
  if (writer_) writer_->end_sentence();
}

std::vector<ShardFacts> ShardSink::finish() {
  if (count_ == 0) return {};
  const bool complete = writer_ && done_.size() + 1 == count_ && writer_->tokens() == planned();
  BESSEMER_CHECK_DATA(complete, "the inputs shrank while they were read; start again");
  done_.push_back(writer_->finish());
  writer_.reset();
  return done_;
}

}  // namespace bessemer::data
