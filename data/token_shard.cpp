#include "data/token_shard.h"

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
  f.loss_mask = file.find("loss_mask") != nullptr;
  if (f.loss_mask)
    f.loss_tokens = static_cast<uint64_t>(integer_within(file, "n_loss_tokens", 0, static_cast<int64_t>(f.tokens)));
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

/// tables_crc32c[i] is of the i-th other dataset by name, those left out that have a checksum for each block: `tokens`,
/// its link `data`, and `loss_mask`.
void check_tables(const Hdf5File& file) {
  std::vector<const DatasetInfo*> tables;
  for (const auto& dataset : file.datasets()) {
    const auto& name = dataset.name;
    if (name != "tokens" && name != "data" && name != "loss_mask" && name != "tables_crc32c" &&
        dataset.shape.size() == 1)
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
  State(const std::string& path, BlockCheck when)
      : file(path), bytes(path, FileDescriptor::Mode::kRead), check_when(when) {}
  Hdf5File file;
  FileDescriptor bytes;
  BlockCheck check_when;
  ShardFacts facts;
  /// A dataset with an element for each token, and a checksum for each block of it.
  struct Column {
    const DatasetInfo *values = nullptr, *crcs = nullptr;  // of `file`; null: there is none
    std::size_t width = 2;
    std::unique_ptr<std::atomic<uint64_t>[]> checked;  // a bit for each block: of 10^12 tokens 8 MB
  };
  Column tokens, mask;
  const DatasetInfo* offsets = nullptr;
  const DatasetInfo* sentences = nullptr;  // null: no table
  uint64_t block_tokens = kBlockTokens;
  uint64_t blocks = 0;

  void open(Column& column, const char* values, const char* crcs, Dtype dtype) {
    check_dataset(file, values, dtype, facts.tokens);
    check_dataset(file, crcs, Dtype::kU32, blocks);
    column.values = &file.dataset(values), column.crcs = &file.dataset(crcs), column.width = size_of(dtype);
    column.checked = std::make_unique<std::atomic<uint64_t>[]>(blocks / 64 + 1);
  }
  uint64_t tokens_in(uint64_t block) const { return std::min(block_tokens, facts.tokens - block * block_tokens); }

  /// Elements [first, first + n) of a dataset of one dimension, as stored.
  void read(const DatasetInfo& dataset, uint64_t first, uint64_t n, void* out) const {
    const std::size_t size = size_of(dataset.dtype);
    if (!dataset.contiguous || n == 0) return file.read(dataset.name, first, n, dataset.dtype, out);
    const uint64_t at = dataset.offset + first * size;  // HDF5 has checked that the file reaches so far
    BESSEMER_CHECK_DATA(bytes.read_at(at, out, n * size) == n * size, file.path(), ": ends before byte ", at + n * size,
                        ", which it had when it was opened; was it cut off, or written anew?");
  }

  void check_ids(const unsigned char* data, uint64_t first, uint64_t n) const {
    for (uint64_t i = 0; i < n; ++i) {
      const uint32_t id = id_at(data, i, tokens.width);
      BESSEMER_CHECK_DATA(id < facts.vocab_size, file.path(), ": token ", first + i, " has id ", id,
                          ", ids below vocab_size ", facts.vocab_size, " are expected");
    }
  }

  /// What the elements may be, whatever their checksum says.
  void check_values(const Column& column, const unsigned char* data, uint64_t first, uint64_t n) const {
    if (&column == &tokens) return check_ids(data, first, n);
    for (uint64_t i = 0; i < n; ++i)
      BESSEMER_CHECK_DATA(data[i] <= 1, file.path(), ": loss_mask[", first + i, "] is ", static_cast<int>(data[i]),
                          ", 0 or 1 is expected");
  }

  void check(const Column& column, uint64_t block, const unsigned char* data) const {
    const uint64_t first = block * block_tokens, n = tokens_in(block);
    const uint32_t crc = crc32c(data, n * column.width);
    uint32_t expected = 0;
    read(*column.crcs, block, 1, &expected);
    BESSEMER_CHECK_DATA(crc == expected, file.path(), ": ", column.values->name, " ", first, " to ", first + n - 1,
                        " have the checksum ", std::hex, crc, ", ", column.crcs->name, " says ", expected,
                        "; the file was damaged, build or copy it again");
    check_values(column, data, first, n);
    column.checked[block / 64].fetch_or(uint64_t{1} << block % 64, std::memory_order_relaxed);
  }

  bool due(const Column& column, uint64_t block) const {
    return check_when == BlockCheck::kAll ||
           (check_when == BlockCheck::kTouch &&
            (column.checked[block / 64].load(std::memory_order_relaxed) >> block % 64 & 1) == 0);
  }

  /// Bytes of elements [begin, begin + n) of a block, in `room`; a block whose check is due is read whole.
  const unsigned char* bytes_of(const Column& column, uint64_t block, uint64_t begin, uint64_t n,
                                std::vector<unsigned char>& room) const {
    const bool whole = due(column, block);
    const uint64_t first = block * block_tokens + (whole ? 0 : begin), count = whole ? tokens_in(block) : n;
    room.resize(count * column.width);
    read(*column.values, first, count, room.data());
    if (whole)
      check(column, block, room.data());
    else if (check_when == BlockCheck::kOff)
      check_values(column, room.data(), first, count);
    return room.data() + (whole ? begin * column.width : 0);
  }

  /// Gives `take(at, bytes, n)` elements [first, first + size) in pieces that lie within a block each.
  template <class Take>
  void for_each_piece_of(const Column& column, uint64_t first, uint64_t size, const Take& take) const {
    BESSEMER_CHECK_DATA(first <= facts.tokens && size <= facts.tokens - first, file.path(), ": has ", facts.tokens,
                        " tokens, tokens ", first, " to ", first + size, " are wanted");
    std::vector<unsigned char> room;
    for (uint64_t done = 0; done < size;) {
      const uint64_t block = (first + done) / block_tokens, begin = (first + done) % block_tokens;
      const uint64_t n = std::min<uint64_t>(size - done, block_tokens - begin);
      take(done, bytes_of(column, block, begin, n, room), n);
      done += n;
    }
  }

  /// Every block of a column, checked. Gives `take(bytes, size)` each.
  template <class Take>
  void verify(const Column& column, const Take& take) const {
    std::vector<unsigned char> room;
    for (uint64_t block = 0; block < blocks; ++block) {
      room.resize(tokens_in(block) * column.width);
      read(*column.values, block * block_tokens, tokens_in(block), room.data());
      check(column, block, room.data());
      take(room.data(), room.size());
    }
  }
};

TokenShard::TokenShard(const std::string& path, BlockCheck check) : state_(std::make_unique<State>(path, check)) {
  auto& s = *state_;
  check_format(s.file);
  s.facts = facts_of(s.file);
  s.block_tokens = static_cast<uint64_t>(integer_within(s.file, "checksum_block_tokens", 1, 1 << 24));
  s.blocks = s.facts.tokens / s.block_tokens + (s.facts.tokens % s.block_tokens != 0);
  s.open(s.tokens, "tokens", "block_crc32c", s.facts.dtype());
  if (s.facts.loss_mask) s.open(s.mask, "loss_mask", "loss_mask_crc32c", Dtype::kU8);
  check_dataset(s.file, "doc_offsets", Dtype::kU64, s.facts.documents + 1);
  check_tables(s.file);
  check_offsets(s.file, s.facts, "doc_offsets");
  s.facts.sentences = s.file.find("sentence_offsets") != nullptr;
  if (s.facts.sentences) {
    check_dataset(s.file, "sentence_offsets", Dtype::kU64, s.file.dataset("sentence_offsets").elements());
    check_offsets(s.file, s.facts, "sentence_offsets");
    s.sentences = &s.file.dataset("sentence_offsets");
  }
  s.offsets = &s.file.dataset("doc_offsets");
}

TokenShard::~TokenShard() = default;
TokenShard::TokenShard(TokenShard&&) noexcept = default;
TokenShard& TokenShard::operator=(TokenShard&&) noexcept = default;
const std::string& TokenShard::path() const { return state_->file.path(); }
const ShardFacts& TokenShard::facts() const { return state_->facts; }

void TokenShard::read(uint64_t first, std::span<int64_t> out) const {
  const auto& s = *state_;
  s.for_each_piece_of(s.tokens, first, out.size(), [&](uint64_t at, const unsigned char* data, uint64_t n) {
    if (s.tokens.width == 2)
      for (uint64_t i = 0; i < n; ++i) out[at + i] = id_at(data, i, 2);
    else
      for (uint64_t i = 0; i < n; ++i) out[at + i] = id_at(data, i, 4);
  });
}

void TokenShard::loss_mask(uint64_t first, std::span<uint8_t> out) const {
  const auto& s = *state_;
  if (!s.facts.loss_mask) return std::fill(out.begin(), out.end(), uint8_t{1});
  s.for_each_piece_of(s.mask, first, out.size(), [&](uint64_t at, const unsigned char* data, uint64_t n) {
    std::copy_n(data, n, out.begin() + static_cast<std::ptrdiff_t>(at));
  });
}

void TokenShard::document_offsets(uint64_t first, std::span<uint64_t> out) const {
  const auto& s = *state_;
  BESSEMER_CHECK_DATA(first <= s.facts.documents && out.size() <= s.facts.documents + 1 - first, path(), ": has ",
                      s.facts.documents, " documents, the offsets ", first, " to ", first + out.size(), " are wanted");
  s.read(*s.offsets, first, out.size(), out.data());
}

std::vector<uint64_t> TokenShard::sentences_between(uint64_t first, uint64_t last) const {
  const auto& s = *state_;
  BESSEMER_CHECK_DATA(s.sentences != nullptr, path(), ": has no sentence_offsets; build the data set with --sentences");
  // The first one from `token` on.
  const auto from = [&](uint64_t token) {
    uint64_t low = 0, high = s.sentences->elements() - 1;  // the last offset is the end
    while (low < high) {
      const uint64_t middle = low + (high - low) / 2;
      uint64_t begin = 0;
      s.read(*s.sentences, middle, 1, &begin);
      if (begin < token)
        low = middle + 1;
      else
        high = middle;
    }
    return low;
  };
  const uint64_t begin = from(first), end = from(std::max(first, std::min(last, s.facts.tokens)));
  std::vector<uint64_t> out(end - begin);
  s.read(*s.sentences, begin, out.size(), out.data());
  return out;
}

std::pair<uint64_t, uint64_t> TokenShard::document(uint64_t d) const {
  const auto& s = *state_;
  BESSEMER_CHECK_DATA(d < s.facts.documents, path(), ": has ", s.facts.documents, " documents, document ", d,
                      " is wanted");
  std::array<uint64_t, 2> ends{};
  document_offsets(d, ends);
  return {ends[0], ends[1]};
}

void TokenShard::verify() const {
  const auto& s = *state_;
  Sha256 content;
  s.verify(s.tokens, [&](const unsigned char* data, std::size_t bytes) { content.update(data, bytes); });
  BESSEMER_CHECK_DATA(content.hex() == s.facts.content_sha256, path(), ": SHA-256 of the tokens is ", content.hex(),
                      ", content_sha256 says ", s.facts.content_sha256,
                      "; the file was damaged, build or copy it again");
  if (!s.facts.loss_mask) return;
  uint64_t wanted = 0;
  s.verify(s.mask, [&](const unsigned char* data, std::size_t bytes) {
    wanted += static_cast<uint64_t>(std::count(data, data + bytes, 1));
  });
  BESSEMER_CHECK_DATA(wanted == s.facts.loss_tokens, path(), ": its loss_mask wants ", wanted,
                      " tokens predicted, n_loss_tokens says ", s.facts.loss_tokens, "; build it again");
}

}  // namespace bessemer::data
