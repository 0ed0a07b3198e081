#include "data/token_shard.h"

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <vector>

#include "data/crc32c.h"
#include "data/file.h"
#include "data/sha256.h"
#include "parallel/error.h"

namespace bessemer::data {
namespace {

/// A file's first `bytes` bytes, mapped for reading.
class Mapping {
 public:
  Mapping() = default;
  Mapping(const std::string& path, std::size_t bytes) : bytes_(bytes) {
    const FileDescriptor file(path, FileDescriptor::Mode::kRead);
    at_ = ::mmap(nullptr, bytes, PROT_READ, MAP_SHARED, file.get(), 0);
    BESSEMER_CHECK_ENV(at_ != MAP_FAILED, path, ": cannot be mapped into memory: ", std::strerror(errno));
  }
  ~Mapping() {
    if (at_ != nullptr && at_ != MAP_FAILED) ::munmap(at_, bytes_);
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(Mapping&& other) noexcept {
    std::swap(at_, other.at_), std::swap(bytes_, other.bytes_);
    return *this;
  }
  const unsigned char* get() const { return static_cast<const unsigned char*>(at_); }

 private:
  void* at_ = nullptr;
  std::size_t bytes_ = 0;
};

std::string names_of(const Hdf5File& file) {
  std::string names;
  for (const auto& dataset : file.datasets()) {
    if (names.size() < 500) names += concat(names.empty() ? "" : ", ", dataset.name, " ", name_of(dataset.dtype));
  }
  return names.empty() ? "no datasets" : names;
}

void check_format(const Hdf5File& file) {
  const auto& path = file.path();
  BESSEMER_CHECK_DATA(file.has_attribute("format") && file.text("format") == "token-shard", path,
                      ": not a token shard: the attribute format = token-shard is expected; found the datasets ",
                      names_of(file), "; make shards with `bessemer data build`");
  const auto version = file.integers("format_version");
  BESSEMER_CHECK_DATA(version.size() == 2, path, ": format_version has ", version.size(), " numbers, 2 are expected");
  BESSEMER_CHECK_DATA(version[0] == 1, path, ": token shard of version ", version[0], ".", version[1],
                      ", version 1 is expected; a newer bessemer reads it");
  BESSEMER_CHECK_DATA(file.text("kind") == "corpus", path, ": kind is '", file.text("kind"), "', 'corpus' is expected");
  BESSEMER_CHECK_DATA(file.text("checksum_algorithm") == "crc32c", path, ": checksum_algorithm is '",
                      file.text("checksum_algorithm"), "', 'crc32c' is expected");
}

int64_t integer_within(const Hdf5File& file, const std::string& name, int64_t least, int64_t most) {
  const int64_t value = file.integer(name);
  BESSEMER_CHECK_DATA(value >= least && value <= most, file.path(), ": ", name, " is ", value, ", ", least, " to ",
                      most, " are expected");
  return value;
}

std::string text_or(const Hdf5File& file, const std::string& name, const std::string& fallback) {
  return file.has_attribute(name) ? file.text(name) : fallback;
}

ShardFacts facts_of(const Hdf5File& file) {
  ShardFacts f;
  f.split = file.text("split");
  f.count = static_cast<uint32_t>(integer_within(file, "shard_count", 1, 99999));
  f.index = static_cast<uint32_t>(integer_within(file, "shard_index", 0, f.count - 1));
  f.dataset_id = file.text("dataset_id");
  f.tokens = static_cast<uint64_t>(integer_within(file, "n_tokens", 0, int64_t{1} << 60));
  f.documents = static_cast<uint64_t>(integer_within(file, "n_docs", 0, int64_t{1} << 60));
  f.continues = file.has_attribute("first_doc_continues") && file.integer("first_doc_continues") != 0;
  f.tokenizer_name = text_or(file, "tokenizer_name", "");
  f.tokenizer_kind = file.text("tokenizer_kind");
  f.tokenizer_sha256 = file.text("tokenizer_sha256");
  f.vocab_size = static_cast<uint32_t>(integer_within(file, "vocab_size", 1, int64_t{0xFFFFFFFF}));
  f.eod_id = integer_within(file, "eod_id", -1, f.vocab_size - 1);
  f.bos_id = integer_within(file, "bos_id", -1, f.vocab_size - 1);
  f.pad_id = integer_within(file, "pad_id", -1, f.vocab_size - 1);
  f.normalizer = text_or(file, "normalizer", "none");
  f.source = text_or(file, "source", "[]");
  f.content_sha256 = file.text("content_sha256");
  return f;
}

void check_dataset(const Hdf5File& file, const std::string& name, Dtype dtype, uint64_t rows) {
  const auto& found = file.dataset(name);
  BESSEMER_CHECK_DATA(found.dtype == dtype, file.path(), ": dataset '", name, "' is of type ", name_of(found.dtype),
                      ", ", name_of(dtype), " is expected");
  BESSEMER_CHECK_DATA(found.shape.size() == 1 && found.shape[0] == rows, file.path(), ": dataset '", name, "' has ",
                      found.elements(), " elements in ", found.shape.size(), " dimensions, ", rows,
                      " in one are expected");
}

/// Gives `rows(bytes, elements)` the contents of a dataset of one dimension, piece by piece, as stored.
template <class Rows>
void for_each_piece(const Hdf5File& file, const DatasetInfo& dataset, Rows rows) {
  constexpr uint64_t kPiece = 1 << 16;
  std::vector<unsigned char> piece(kPiece * size_of(dataset.dtype));
  for (uint64_t first = 0; first < dataset.elements(); first += kPiece) {
    const uint64_t n = std::min(kPiece, dataset.elements() - first);
    file.read(dataset.name, first, n, dataset.dtype, piece.data());
    rows(piece.data(), n);
  }
}

/// tables_crc32c[i] is of the i-th other dataset by name, `tokens` and its link `data` left out (they have
/// block_crc32c).
void check_tables(const Hdf5File& file) {
  std::vector<const DatasetInfo*> tables;
  for (const auto& dataset : file.datasets()) {
    const auto& name = dataset.name;
    if (name != "tokens" && name != "data" && name != "tables_crc32c" && dataset.shape.size() == 1)
      tables.push_back(&dataset);
  }
  check_dataset(file, "tables_crc32c", Dtype::kU32, tables.size());
  std::vector<uint32_t> expected(tables.size());
  file.read("tables_crc32c", 0, expected.size(), Dtype::kU32, expected.data());
  for (std::size_t i = 0; i < tables.size(); ++i) {
    const auto& table = *tables[i];
    BESSEMER_CHECK_DATA(table.dtype != Dtype::kOther, file.path(), ": dataset '", table.name, "' has a foreign type");
    uint32_t crc = 0;
    for_each_piece(file, table,
                   [&](const void* data, uint64_t n) { crc = crc32c(data, n * size_of(table.dtype), crc); });
    BESSEMER_CHECK_DATA(crc == expected[i], file.path(), ": checksum of dataset '", table.name, "' is ", std::hex, crc,
                        ", tables_crc32c says ", expected[i], "; the file was damaged, build or copy it again");
  }
}

void check_offsets(const Hdf5File& file, const ShardFacts& facts, const char* table) {
  uint64_t last = 0, at = 0;
  for_each_piece(file, file.dataset(table), [&](const unsigned char* data, uint64_t n) {
    for (uint64_t i = 0; i < n; ++i, ++at) {
      uint64_t offset = 0;
      std::memcpy(&offset, data + i * sizeof offset, sizeof offset);
      BESSEMER_CHECK_DATA(at > 0 ? offset >= last : offset == 0, file.path(), ": ", table, "[", at, "] is ", offset,
                          ", the offset before it is ", last, "; they begin with 0 and never fall");
      last = offset;
    }
  });
  BESSEMER_CHECK_DATA(last == facts.tokens, file.path(), ": ", table, " end with ", last, ", n_tokens = ", facts.tokens,
                      " is expected");
}

uint32_t id_at(const unsigned char* data, uint64_t i, std::size_t width) {
  if (width == 2) return data[2 * i] | static_cast<uint32_t>(data[2 * i + 1]) << 8;
  uint32_t id = 0;
  std::memcpy(&id, data + 4 * i, sizeof id);
  return id;
}

}  // namespace

struct TokenShard::State {
  State(const std::string& path, bool every) : file(path), verify_every_read(every) {}
  Hdf5File file;
  bool verify_every_read;
  ShardFacts facts;
  std::size_t width = 2;
  uint64_t block_tokens = kBlockTokens;
  std::vector<uint32_t> block_crcs;
  Mapping mapping;
  const unsigned char* mapped = nullptr;         // the first token, or nullptr: read through HDF5
  std::unique_ptr<std::atomic<bool>[]> checked;  // per block

  uint64_t tokens_in(uint64_t block) const { return std::min(block_tokens, facts.tokens - block * block_tokens); }

  /// The bytes of a whole block; `room` holds them where the file is not mapped.
  const unsigned char* bytes_of(uint64_t block, std::vector<unsigned char>& room) const {
    if (mapped != nullptr) return mapped + block * block_tokens * width;
    room.resize(tokens_in(block) * width);
    file.read("tokens", block * block_tokens, tokens_in(block), facts.dtype(), room.data());
    return room.data();
  }

  void check(uint64_t block, const unsigned char* data) const {
    const uint64_t first = block * block_tokens, n = tokens_in(block);
    const uint32_t crc = crc32c(data, n * width);
    BESSEMER_CHECK_DATA(crc == block_crcs[block], file.path(), ": tokens ", first, " to ", first + n - 1,
                        " have the checksum ", std::hex, crc, ", block_crc32c says ", block_crcs[block],
                        "; the file was damaged, build or copy it again");
    for (uint64_t i = 0; i < n; ++i) {
      const uint32_t id = id_at(data, i, width);
      BESSEMER_CHECK_DATA(id < facts.vocab_size, file.path(), ": token ", first + i, " has id ", id,
                          ", ids below vocab_size ", facts.vocab_size, " are expected");
    }
    checked[block].store(true, std::memory_order_relaxed);
  }
};

TokenShard::TokenShard(const std::string& path, bool verify_every_read)
    : state_(std::make_unique<State>(path, verify_every_read)) {
  auto& s = *state_;
  check_format(s.file);
  s.facts = facts_of(s.file);
  s.block_tokens = static_cast<uint64_t>(integer_within(s.file, "checksum_block_tokens", 1, 1 << 24));
  s.width = size_of(s.facts.dtype());
  const uint64_t blocks = s.facts.tokens / s.block_tokens + (s.facts.tokens % s.block_tokens != 0);
  check_dataset(s.file, "tokens", s.facts.dtype(), s.facts.tokens);
  check_dataset(s.file, "doc_offsets", Dtype::kU64, s.facts.documents + 1);
  check_dataset(s.file, "block_crc32c", Dtype::kU32, blocks);
  check_tables(s.file);
  check_offsets(s.file, s.facts, "doc_offsets");
  s.facts.sentences = s.file.find("sentence_offsets") != nullptr;
  if (s.facts.sentences) {
    check_dataset(s.file, "sentence_offsets", Dtype::kU64, s.file.dataset("sentence_offsets").elements());
    check_offsets(s.file, s.facts, "sentence_offsets");
  }
  s.block_crcs.resize(blocks);
  s.file.read("block_crc32c", 0, blocks, Dtype::kU32, s.block_crcs.data());
  s.checked = std::make_unique<std::atomic<bool>[]>(blocks);
  const auto& tokens = s.file.dataset("tokens");
  if (tokens.contiguous && s.facts.tokens > 0) {  // HDF5 has checked that the file reaches so far
    s.mapping = Mapping(path, tokens.offset + tokens.bytes());
    s.mapped = s.mapping.get() + tokens.offset;
  }
}

TokenShard::~TokenShard() = default;
TokenShard::TokenShard(TokenShard&&) noexcept = default;
TokenShard& TokenShard::operator=(TokenShard&&) noexcept = default;
const std::string& TokenShard::path() const { return state_->file.path(); }
const ShardFacts& TokenShard::facts() const { return state_->facts; }
bool TokenShard::mapped() const { return state_->mapped != nullptr; }

void TokenShard::read(uint64_t first, std::span<int64_t> out) const {
  const auto& s = *state_;
  BESSEMER_CHECK_DATA(first <= s.facts.tokens && out.size() <= s.facts.tokens - first, path(), ": has ", s.facts.tokens,
                      " tokens, tokens ", first, " to ", first + out.size(), " are wanted");
  std::vector<unsigned char> room;
  for (std::size_t done = 0; done < out.size();) {
    const uint64_t block = (first + done) / s.block_tokens, begin = (first + done) % s.block_tokens;
    const uint64_t n = std::min<uint64_t>(out.size() - done, s.block_tokens - begin);
    const unsigned char* data = s.bytes_of(block, room);
    if (s.verify_every_read || !s.checked[block].load(std::memory_order_relaxed)) s.check(block, data);
    for (uint64_t i = 0; i < n; ++i) out[done + i] = id_at(data, begin + i, s.width);
    done += n;
  }
}

std::pair<uint64_t, uint64_t> TokenShard::document(uint64_t d) const {
  const auto& s = *state_;
  BESSEMER_CHECK_DATA(d < s.facts.documents, path(), ": has ", s.facts.documents, " documents, document ", d,
                      " is wanted");
  std::array<uint64_t, 2> ends{};
  s.file.read("doc_offsets", d, 2, Dtype::kU64, ends.data());
  return {ends[0], ends[1]};
}

void TokenShard::verify() const {
  const auto& s = *state_;
  Sha256 content;
  std::vector<unsigned char> room;
  for (uint64_t block = 0; block < s.block_crcs.size(); ++block) {
    const unsigned char* data = s.bytes_of(block, room);
    s.check(block, data);
    content.update(data, s.tokens_in(block) * s.width);
  }
  BESSEMER_CHECK_DATA(content.hex() == s.facts.content_sha256, path(), ": SHA-256 of the tokens is ", content.hex(),
                      ", content_sha256 says ", s.facts.content_sha256,
                      "; the file was damaged, build or copy it again");
}

}  // namespace bessemer::data
