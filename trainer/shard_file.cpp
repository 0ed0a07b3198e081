#include "trainer/shard_file.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <map>

#include "data/crc32c.h"
#include "data/hdf5.h"
#include "parallel/error.h"
#include "trainer/files.h"

namespace bessemer::trainer {
namespace {

static_assert(std::endian::native == std::endian::little, "shards hold little-endian fp32, written as it is in memory");

constexpr std::size_t kRecentBlocks = 32;
constexpr int64_t kElement = sizeof(float);

int64_t block_count(int64_t size) { return (size + kBlockBytes - 1) / kBlockBytes; }

int64_t block_size(int64_t size, int64_t index) { return std::min(kBlockBytes, size - index * kBlockBytes); }

// The shape of a chunk as other programs see it: the slice's where it is whole, else one dimension.
std::vector<uint64_t> visible_shape(const Chunk& chunk) {
  std::vector<uint64_t> shape(chunk.shape.begin(), chunk.shape.end());
  if (!shape.empty()) shape[static_cast<std::size_t>(chunk.dim)] = static_cast<uint64_t>(chunk.end - chunk.begin);
  uint64_t elements = 1;
  for (uint64_t n : shape) elements *= n;
  if (elements == static_cast<uint64_t>(chunk.count)) return shape;
  return {static_cast<uint64_t>(chunk.count)};
}

std::vector<StoredChunk> name_chunks(std::span<const Chunk> chunks) {
  std::map<std::string, int> uses;
  for (const Chunk& c : chunks) ++uses[c.dataset];
  std::vector<StoredChunk> stored;
  for (const Chunk& c : chunks) {
    const bool several = uses[c.dataset] > 1;
    const std::string suffix = several ? concat("@", c.begin, "-", c.first) : "";
    stored.push_back({c.dataset, c.dataset + suffix, c.shape, c.dim, c.begin, c.end, c.first, c.count, 0});
  }
  return stored;
}

// Lays the file out and fills in the offsets.
data::Layout lay_out(const std::string& path, const std::string& origin, std::span<const Chunk> chunks,
                     std::vector<StoredChunk>& stored) {
  std::vector<data::LayoutDataset> datasets;
  int64_t bytes = 0;
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    datasets.push_back({stored[i].stored, data::Dtype::kF32, visible_shape(chunks[i])});
    bytes += chunks[i].count * kElement;
  }
  check_size_limit(path, bytes);  // before HDF5, which sets a file's size
  auto layout = data::plan_layout(path, datasets, {{"origin", origin}});
  for (StoredChunk& s : stored) s.offset = static_cast<int64_t>(layout.offsets.at(s.stored));
  return layout;
}

struct Span {  // bytes of the file that come from memory
  int64_t begin;
  int64_t end;
  const char* data;
};

std::vector<Span> spans_of(std::span<const Chunk> chunks, const std::vector<StoredChunk>& stored,
                           const data::Layout& layout) {
  std::vector<Span> spans;
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    const int64_t begin = stored[i].offset;
    const int64_t bytes = chunks[i].count * kElement;
    if (bytes > 0) spans.push_back({begin, begin + bytes, reinterpret_cast<const char*>(chunks[i].data)});
  }
  for (const auto& piece : layout.own) {
    const auto begin = static_cast<int64_t>(piece.offset);
    spans.push_back({begin, begin + static_cast<int64_t>(piece.bytes.size()), piece.bytes.data()});
  }
  std::sort(spans.begin(), spans.end(), [](const Span& a, const Span& b) { return a.begin < b.begin; });
  return spans;
}

// Writes block by block. A block that lies within one span goes straight from its memory; others are put together.
std::vector<uint32_t> write_blocks(const Descriptor& file, const std::string& path, int64_t size,
                                   const std::vector<Span>& spans) {
  std::vector<uint32_t> checksums;
  std::vector<char> buffer;
  auto span = spans.begin();
  for (int64_t index = 0; index < block_count(size); ++index) {
    const int64_t begin = index * kBlockBytes;
    const int64_t bytes = block_size(size, index);
    while (span != spans.end() && span->end <= begin) ++span;
    const char* source = nullptr;
    if (span != spans.end() && span->begin <= begin && begin + bytes <= span->end) {
      source = span->data + (begin - span->begin);
    } else {
      buffer.assign(static_cast<std::size_t>(bytes), 0);
      for (auto s = span; s != spans.end() && s->begin < begin + bytes; ++s) {
        const int64_t from = std::max(s->begin, begin);
        const int64_t to = std::min(s->end, begin + bytes);
        std::memcpy(buffer.data() + (from - begin), s->data + (from - s->begin), static_cast<std::size_t>(to - from));
      }
      source = buffer.data();
    }
    checksums.push_back(data::crc32c(source, static_cast<std::size_t>(bytes)));
    write_at(file, path, begin, source, bytes);
  }
  return checksums;
}

}  // namespace

FileRecord record_of(const std::string& name, std::string_view bytes) {
  FileRecord record{name, static_cast<int64_t>(bytes.size()), {}};
  for (int64_t index = 0; index < block_count(record.size); ++index) {
    const auto length = static_cast<std::size_t>(block_size(record.size, index));
    record.crc32c.push_back(data::crc32c(bytes.data() + index * kBlockBytes, length));
  }
  return record;
}

std::string origin_text(const std::string& run_id, const std::string& save_id, int64_t step, int rank) {
  return concat(kOrigin, run_id, ", save ", save_id, ", step ", step, ", rank ", rank);
}

ShardInfo write_shard(const std::string& directory, const std::string& name, const std::string& origin,
                      std::span<const Chunk> chunks, const std::function<void(std::string_view)>& reached) {
  const std::string path = directory + "/" + name;
  ShardInfo shard{{name, 0, {}}, name_chunks(chunks)};
  const auto layout = lay_out(path, origin, chunks, shard.chunks);
  const auto size = static_cast<int64_t>(layout.size);
  reached("create shard");
  const Descriptor file = open_file(path, O_RDWR | O_CREAT | O_TRUNC);
  reached("reserve shard");
  reserve(file, path, size);
  reached("write shard");
  shard.file = {name, size, write_blocks(file, path, size, spans_of(chunks, shard.chunks, layout))};
  reached("sync shard");
  sync_file(file, path);
  return shard;
}

const VerifiedFiles::Block& VerifiedFiles::block(std::size_t file, int64_t index, const std::string& what) const {
  for (auto it = recent_.begin(); it != recent_.end(); ++it) {
    if (it->file == file && it->index == index) {
      recent_.splice(recent_.begin(), recent_, it);
      return recent_.front();
    }
  }
  const FileRecord& record = files_[file];
  const std::string path = directory_->file(record.name);
  const int64_t bytes = block_size(record.size, index);
  Block fresh{file, index, std::vector<char>(static_cast<std::size_t>(bytes))};
  const Descriptor handle = directory_->open(record.name);
  const int64_t got = read_at(handle, path, index * kBlockBytes, fresh.bytes.data(), bytes);
  BESSEMER_CHECK_DATA(got == bytes, path, ": block ", index, " of ", what, " is cut short: ", got, " of ", bytes,
                      " bytes; restore the file or resume from another checkpoint");
  const uint32_t crc = data::crc32c(fresh.bytes.data(), fresh.bytes.size());
  BESSEMER_CHECK_DATA(crc == record.crc32c[static_cast<std::size_t>(index)], path, ": block ", index, " (bytes ",
                      index * kBlockBytes, " to ", index * kBlockBytes + bytes, ") of ", what,
                      " is not what was written (CRC32C); restore the file or resume from another checkpoint");
  if (recent_.size() >= kRecentBlocks) recent_.pop_back();
  recent_.push_front(std::move(fresh));
  return recent_.front();
}

void VerifiedFiles::read(std::size_t file, int64_t offset, int64_t bytes, void* out, const std::string& what) const {
  char* to = static_cast<char*>(out);
  while (bytes > 0) {
    const int64_t index = offset / kBlockBytes;
    const Block& from = block(file, index, what);
    const int64_t skip = offset - index * kBlockBytes;
    const int64_t n = std::min(bytes, static_cast<int64_t>(from.bytes.size()) - skip);
    std::memcpy(to, from.bytes.data() + skip, static_cast<std::size_t>(n));
    to += n, offset += n, bytes -= n;
  }
}

std::vector<int64_t> VerifiedFiles::bad_blocks(std::size_t file, bool from_disk) const {
  const FileRecord& record = files_[file];
  const std::string path = directory_->file(record.name);
  const bool right_size = directory_->size(record.name) == record.size;
  std::vector<int64_t> bad;
  std::vector<char> buffer(static_cast<std::size_t>(std::min(record.size, kBlockBytes)));
  const Descriptor handle = directory_->open(record.name);
  if (from_disk) posix_fadvise(handle.get(), 0, 0, POSIX_FADV_DONTNEED);  // advice: where it is not taken, no harm
  for (int64_t index = 0; index < block_count(record.size); ++index) {
    const int64_t bytes = block_size(record.size, index);
    const bool good =
        right_size && read_at(handle, path, index * kBlockBytes, buffer.data(), bytes) == bytes &&
        data::crc32c(buffer.data(), static_cast<std::size_t>(bytes)) == record.crc32c[static_cast<std::size_t>(index)];
    if (!good) bad.push_back(index);
  }
  return bad;
}

}  // namespace bessemer::trainer
