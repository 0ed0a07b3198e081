#pragma once
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "trainer/files.h"

namespace bessemer::trainer {

/// A part of one global tensor that this rank writes: elements [first, first + count) of our slice, row-major.
///
/// The slice is [begin, end) along `dim`. Each element of each global tensor is written by exactly one rank (checked
/// before the checkpoint is published); all ranks cut a tensor along the same `dim`. A tensor written whole has
/// dim 0, [0, shape[0]).
struct Chunk {
  std::string dataset;         ///< "params/h.0.attention.q.weight", "momentum/...", "variance/..."
  std::vector<int64_t> shape;  ///< of the global tensor
  int64_t dim = 0;
  int64_t begin = 0;
  int64_t end = 0;
  int64_t first = 0;
  int64_t count = 0;
  const float* data = nullptr;  ///< host, `count` elements, untouched until the save has ended
};

/// A file and its CRC32C per kBlockBytes: no byte of it is outside a checksum.
struct FileRecord {
  std::string name;  ///< without directory
  int64_t size = 0;
  std::vector<uint32_t> crc32c;
};
inline constexpr int64_t kBlockBytes = int64_t{4} << 20;

FileRecord record_of(const std::string& name, std::string_view bytes);

/// Where a chunk lies in its shard.
struct StoredChunk {
  std::string dataset;
  std::string stored;  ///< name inside the HDF5 file: `dataset`, with "@first" where a rank writes several parts
  std::vector<int64_t> shape;
  int64_t dim = 0;
  int64_t begin = 0;
  int64_t end = 0;
  int64_t first = 0;
  int64_t count = 0;
  int64_t offset = 0;  ///< byte of its first element
};

struct ShardInfo {
  FileRecord file;
  std::vector<StoredChunk> chunks;
};

/// What a shard says of itself inside: a file that was moved into another checkpoint can be told from a damaged one.
std::string origin_text(const std::string& run_id, const std::string& save_id, int64_t step, int rank);
inline constexpr std::string_view kOrigin = "bessemer shard of run ";  ///< how it begins

/// Writes one HDF5 file with the chunks: HDF5 makes the layout in memory; we reserve the space before the first byte,
/// write and fsync. The checksums, of HDF5's own bytes too, come from the memory that is written.
/// \param origin   its origin_text: kept in the file, as the text attribute "origin".
/// \param reached  called by name before each step.
/// Errors: Error (69); a half-written file may stay.
ShardInfo write_shard(const std::string& directory, const std::string& name, const std::string& origin,
                      std::span<const Chunk> chunks, const std::function<void(std::string_view)>& reached);

/// Bytes of recorded files, each block checked against its checksum before any of it is handed out.
class VerifiedFiles {
 public:
  VerifiedFiles(std::shared_ptr<const Directory> directory, std::vector<FileRecord> files)
      : directory_(std::move(directory)), files_(std::move(files)) {}
  /// Error (65) naming file, block and `what` is read.
  void read(std::size_t file, int64_t offset, int64_t bytes, void* out, const std::string& what) const;
  /// The blocks of a file that are not as recorded; all of them where the size differs.
  /// \param from_disk  past the page cache, as far as the system lets us.
  std::vector<int64_t> bad_blocks(std::size_t file, bool from_disk = false) const;
  const FileRecord& record(std::size_t file) const { return files_[file]; }

 private:
  struct Block {
    std::size_t file;
    int64_t index;
    std::vector<char> bytes;
  };
  const Block& block(std::size_t file, int64_t index, const std::string& what) const;

  std::shared_ptr<const Directory> directory_;
  std::vector<FileRecord> files_;
  mutable std::list<Block> recent_;  ///< newest first: a slice along dim 1 comes back to each shard again and again
};

}  // namespace bessemer::trainer
