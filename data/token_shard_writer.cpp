#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cstdio>
#include <cstring>
#include <vector>

#include "data/crc32c.h"
#include "data/file.h"
#include "data/sha256.h"
#include "data/token_shard.h"
#include "parallel/error.h"

namespace bessemer::data {
namespace {

/// Bytes kept on disk until the sizes that the HDF5 layout needs are known.
class Spool {
 public:
  explicit Spool(const std::string& path) : file_(path, FileDescriptor::Mode::kCreate) {
    ::unlink(path.c_str());  // a name is not needed, and nothing stays behind however we end
  }
  void append(const void* data, std::size_t bytes) {
    const auto* at = static_cast<const char*>(data);
    waiting_.insert(waiting_.end(), at, at + bytes);
    bytes_ += bytes;
    crc_ = crc32c(data, bytes, crc_);
    if (waiting_.size() >= kPiece) flush();
  }
  uint64_t bytes() const { return bytes_; }
  uint32_t crc() const { return crc_; }
  void copy_to(FileDescriptor& out, uint64_t offset) {
    flush();
    BESSEMER_CHECK_ENV(::lseek(file_.get(), 0, SEEK_SET) == 0, file_.path(), ": cannot be read again");
    std::vector<char> piece(kPiece);
    while (const std::size_t n = file_.read(piece.data(), piece.size()))
      out.write_at(offset, piece.data(), n), offset += n;
  }

 private:
  void flush() {
    file_.write(waiting_.data(), waiting_.size());
    waiting_.clear();
  }
  static constexpr std::size_t kPiece = 1 << 20;
  FileDescriptor file_;
  std::vector<char> waiting_;
  uint64_t bytes_ = 0;
  uint32_t crc_ = 0;
};

std::map<std::string, Attribute> attributes_of(const ShardFacts& f) {
  std::map<std::string, Attribute> all{{"format", std::string("token-shard")},
                                       {"format_version", std::vector<uint32_t>{1, f.loss_mask ? 1u : 0u}},
                                       {"kind", std::string("corpus")},
                                       {"split", f.split},
                                       {"shard_index", f.index},
                                       {"shard_count", f.count},
                                       {"dataset_id", f.dataset_id},
                                       {"n_tokens", f.tokens},
                                       {"n_docs", f.documents},
                                       {"n_examples", static_cast<int64_t>(f.documents)},
                                       {"first_doc_continues", static_cast<uint32_t>(f.continues)},
                                       {"tokenizer_name", f.tokenizer_name},
                                       {"tokenizer_kind", f.tokenizer_kind},
                                       {"tokenizer_sha256", f.tokenizer_sha256},
                                       {"vocab_size", f.vocab_size},
                                       {"eod_id", f.eod_id},
                                       {"bos_id", f.bos_id},
                                       {"pad_id", f.pad_id},
                                       {"normalizer", f.normalizer},
                                       {"source", f.source},
                                       {"creator", std::string("bessemer, token shard 1.0")},
                                       {"checksum_algorithm", std::string("crc32c")},
                                       {"checksum_block_tokens", kBlockTokens},
                                       {"content_sha256", f.content_sha256}};
  if (f.loss_mask) all.emplace("n_loss_tokens", f.loss_tokens);
  return all;
}

}  // namespace

struct TokenShardWriter::State {
  State(std::string path_, ShardFacts facts_)
      : path(std::move(path_)), facts(std::move(facts_)), tokens(path + ".tokens.tmp"), offsets(path + ".docs.tmp"),
        sentences(path + ".sentences.tmp"), masks(path + ".masks.tmp") {}
  std::string path;
  ShardFacts facts;
  Spool tokens, offsets, sentences;  // tokens in the file's type; u64 ends of documents and of sentences, from 0
  Spool masks;
  std::vector<unsigned char> block, mask_block;  // the bytes of the block under way
  std::vector<uint32_t> block_crcs, mask_crcs;
  Sha256 content;
  uint64_t last_end = 0;  // of the newest document
  uint64_t last_sentence_end = 0, sentence_count = 0;
  bool published = false;

  void end_block() {
    if (block.empty()) return;
    block_crcs.push_back(crc32c(block.data(), block.size()));
    content.update(block.data(), block.size());
    tokens.append(block.data(), block.size());
    block.clear();
    if (!facts.loss_mask) return;
    mask_crcs.push_back(crc32c(mask_block.data(), mask_block.size()));
    masks.append(mask_block.data(), mask_block.size());
    mask_block.clear();
  }
  void append_mask(std::span<const uint8_t> mask) {
    for (const uint8_t wanted : mask) {
      BESSEMER_CHECK_DATA(wanted <= 1, path, ": a token after token ", facts.tokens, " has the loss mask ",
                          static_cast<int>(wanted), ", 0 or 1 is expected");
      facts.loss_tokens += wanted;
    }
    mask_block.insert(mask_block.end(), mask.begin(), mask.end());
  }
  void append_offset(uint64_t offset) { offsets.append(&offset, sizeof offset); }
};

std::string shard_name(const std::string& split, uint32_t index, uint32_t count) {
  char digits[48];
  std::snprintf(digits, sizeof digits, "-%05u-of-%05u.h5", index, count);
  return split + digits;
}

TokenShardWriter::TokenShardWriter(std::string path, ShardFacts facts)
    : state_(std::make_unique<State>(std::move(path), std::move(facts))) {
  state_->facts.tokens = state_->facts.documents = state_->facts.loss_tokens = 0;
  state_->append_offset(0);
  const uint64_t begin = 0;
  if (state_->facts.sentences) state_->sentences.append(&begin, sizeof begin);
}

TokenShardWriter::~TokenShardWriter() {
  if (!state_->published) ::unlink((state_->path + ".tmp").c_str());
}

uint64_t TokenShardWriter::tokens() const { return state_->facts.tokens; }

void TokenShardWriter::append(std::span<const uint32_t> ids, std::span<const uint8_t> loss_mask) {
  auto& s = *state_;
  assert(loss_mask.size() == (s.facts.loss_mask ? ids.size() : 0));
  const std::size_t width = size_of(s.facts.dtype()), full = kBlockTokens * width;
  while (!ids.empty()) {
    const std::size_t n = std::min(ids.size(), (full - s.block.size()) / width);
    const std::size_t at = s.block.size();
    s.block.resize(at + n * width);
    uint32_t largest = 0;
    for (std::size_t i = 0; i < n; ++i) {
      largest = std::max(largest, ids[i]);
      std::memcpy(s.block.data() + at + i * width, &ids[i], width);  // little-endian: the low bytes come first
    }
    BESSEMER_CHECK_DATA(largest < s.facts.vocab_size, s.path, ": a token after token ", s.facts.tokens, " has id ",
                        largest, ", ids below vocab_size ", s.facts.vocab_size, " are expected");
    s.append_mask(loss_mask.first(s.facts.loss_mask ? n : 0));
    s.facts.tokens += n;
    if (s.block.size() == full) s.end_block();
    ids = ids.subspan(n), loss_mask = loss_mask.subspan(s.facts.loss_mask ? n : 0);
  }
}

void TokenShardWriter::end_document() {
  state_->append_offset(state_->last_end = state_->facts.tokens);
  ++state_->facts.documents;
}

void TokenShardWriter::end_sentence() {
  auto& s = *state_;
  if (s.last_sentence_end == s.facts.tokens) return;  // it began here: the rest of it lies in the next shard
  s.last_sentence_end = s.facts.tokens;
  s.sentences.append(&s.last_sentence_end, sizeof s.last_sentence_end);
  ++s.sentence_count;
}

ShardFacts TokenShardWriter::finish() {
  auto& s = *state_;
  if (s.last_end < s.facts.tokens) end_document();
  if (s.facts.sentences) end_sentence();
  s.end_block();
  s.facts.content_sha256 = s.content.hex();
  const std::string temporary = s.path + ".tmp";
  std::vector<LayoutDataset> datasets{{"tokens", s.facts.dtype(), {s.facts.tokens}},
                                      {"doc_offsets", Dtype::kU64, {s.facts.documents + 1}},
                                      {"block_crc32c", Dtype::kU32, {s.block_crcs.size()}},
                                      {"tables_crc32c", Dtype::kU32, {2u + s.facts.loss_mask + s.facts.sentences}}};
  if (s.facts.loss_mask) {
    datasets.push_back({"loss_mask", Dtype::kU8, {s.facts.tokens}});
    datasets.push_back({"loss_mask_crc32c", Dtype::kU32, {s.mask_crcs.size()}});
  }
  if (s.facts.sentences) datasets.push_back({"sentence_offsets", Dtype::kU64, {s.sentence_count + 1}});
  const auto at = create_layout(temporary, datasets, attributes_of(s.facts), {{"data", "tokens"}});
  FileDescriptor out(temporary, FileDescriptor::Mode::kWrite);
  s.tokens.copy_to(out, at.at("tokens"));
  s.offsets.copy_to(out, at.at("doc_offsets"));
  const std::size_t crc_bytes = s.block_crcs.size() * sizeof(uint32_t);
  out.write_at(at.at("block_crc32c"), s.block_crcs.data(), crc_bytes);
  std::vector<uint32_t> tables{crc32c(s.block_crcs.data(), crc_bytes), s.offsets.crc()};  // by name
  if (s.facts.loss_mask) {
    s.masks.copy_to(out, at.at("loss_mask"));
    out.write_at(at.at("loss_mask_crc32c"), s.mask_crcs.data(), crc_bytes);
    tables.push_back(crc32c(s.mask_crcs.data(), crc_bytes));
  }
  if (s.facts.sentences) {
    s.sentences.copy_to(out, at.at("sentence_offsets"));
    tables.push_back(s.sentences.crc());
  }
  out.write_at(at.at("tables_crc32c"), tables.data(), tables.size() * sizeof(uint32_t));
  out.sync_and_close();
  BESSEMER_CHECK_ENV(std::rename(temporary.c_str(), s.path.c_str()) == 0, s.path, ": cannot be given its name");
  s.published = true;
  return s.facts;
}

}  // namespace bessemer::data
