#include "data/shard_sink.h"

#include <algorithm>

#include "parallel/error.h"

namespace bessemer::data {

ShardSink::ShardSink(std::string directory, const ShardFacts& facts, const std::string& split, uint64_t tokens,
                     uint64_t shard_tokens)
    : directory_(std::move(directory)) {
  const uint64_t count = (tokens + shard_tokens - 1) / shard_tokens;
  BESSEMER_CHECK(count <= 99999, "--shard-tokens ", shard_tokens, " would make ", count,
                 " shards, at most 99999 are possible");
  for (uint64_t index = 0; index < count; ++index) {
    Planned shard{facts, std::min(shard_tokens, tokens - index * shard_tokens)};
    shard.facts.split = split;
    shard.facts.index = static_cast<uint32_t>(index);
    shard.facts.count = static_cast<uint32_t>(count);
    planned_.push_back(shard);
  }
}

void ShardSink::open_next() {
  if (writer_) done_.push_back(writer_->finish());
  writer_.reset();
  BESSEMER_CHECK_DATA(done_.size() < planned_.size(), "the inputs grew while they were read; start again");
  auto facts = planned_[done_.size()].facts;
  facts.continues = within_document_;
  writer_.emplace(directory_ + "/" + shard_name(facts.split, facts.index, facts.count), facts);
  document_in_shard_ = false;
}

void ShardSink::append(std::span<const uint32_t> ids, bool goes_on) {
  if (!writer_ && done_.empty()) within_document_ = goes_on;
  while (!ids.empty()) {
    if (!writer_ || writer_->tokens() == planned_[done_.size()].tokens) open_next();
    const auto n = std::min<uint64_t>(ids.size(), planned_[done_.size()].tokens - writer_->tokens());
    writer_->append(ids.first(n));
    ids = ids.subspan(n);
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
  if (planned_.empty()) return {};
  const bool complete = writer_ && done_.size() + 1 == planned_.size() && writer_->tokens() == planned_.back().tokens;
  BESSEMER_CHECK_DATA(complete, "the inputs shrank while they were read; start again");
  done_.push_back(writer_->finish());
  writer_.reset();
  return done_;
}

}  // namespace bessemer::data
