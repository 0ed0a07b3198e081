#include "data/neighbours/mds.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <limits>
#include <set>

#include "data/byte_stream.h"
#include "data/neighbours/file_hash.h"
#include "parallel/error.h"

namespace bessemer::data {
namespace {

/// The bytes of a shard in order, unpacked, and how many have come.
class ShardBytes {
 public:
  explicit ShardBytes(const MdsShard& shard) : path_(shard.path), stream_(open_stream(shard.path)) {}
  const std::string& path() const { return path_; }
  uint64_t at() const { return at_; }
  void read(void* out, std::size_t bytes) {
    const std::size_t got = stream_->read(static_cast<char*>(out), bytes);
    at_ += got;
    BESSEMER_CHECK_DATA(got == bytes, path_, ": ends at byte ", at_, "; it is truncated, copy it again");
  }
  void skip(uint64_t bytes) {
    std::array<char, 4096> piece;
    for (uint64_t left = bytes; left > 0;) {
      const auto n = std::min<uint64_t>(left, piece.size());
      read(piece.data(), n);
      left -= n;
    }
  }
  bool ended() {
    char one = 0;
    return stream_->read(&one, 1) == 0;
  }
  template <class T>
  T number() {
    T value{};
    read(&value, sizeof value);
    return value;
  }

 private:
  std::string path_;
  std::unique_ptr<ByteStream> stream_;
  uint64_t at_ = 0;
};

/// NumPy types as Streaming numbers them.
Element element_of_code(const std::string& place, uint8_t code) {
  switch (code) {
    case 8: return {1, false};
    case 9: return {1, true};
    case 16: return {2, false};
    case 17: return {2, true};
    case 32: return {4, false};
    case 33: return {4, true};
    case 64: return {8, false};
    case 65: return {8, true};
    default: break;
  }
  fail(ExitCode::kBadData, place, ": type code ", int{code}, " of its array; integers are expected");
}

class ShardReader {
 public:
  ShardReader(const MdsShard& shard, uint32_t vocab_size) : shard_(shard), vocab_size_(vocab_size), bytes_(shard) {
    const auto samples = bytes_.number<uint32_t>();
    BESSEMER_CHECK_DATA(samples == shard.samples, shard.path, ": holds ", samples, " samples, index.json says ",
                        shard.samples);
    const uint64_t table = 4 + 4 * (uint64_t{samples} + 1);
    BESSEMER_CHECK_DATA(table <= shard.bytes, shard.path, ": ", samples, " samples, but only ", shard.bytes, " bytes");
    read_offsets(uint64_t{samples} + 1);
    check_offsets(table);
    bytes_.skip(offsets_.front() - table);  // the configuration, which index.json has too
  }

  bool next(TokenPiece& piece) {
    if (left_ == 0 && !begin_sample()) return false;
    const auto n = std::min<uint64_t>(left_, TokenFile::kPiece * element_.bytes);
    raw_.resize(n);
    bytes_.read(raw_.data(), raw_.size());
    ids_.clear();
    widen(raw_, element_, vocab_size_, place(), tokens_, ids_);
    tokens_ += ids_.size(), left_ -= n;
    piece = {ids_, left_ == 0};
    if (left_ == 0) bytes_.skip(offsets_[sample_] - bytes_.at());  // the columns behind it
    return true;
  }

 private:
  std::string place() const { return concat(shard_.path, ": sample ", sample_ - 1); }

  void read_offsets(uint64_t count) {
    constexpr uint64_t kAtOnce = 1 << 18;  // the memory grows only with what is really there
    while (offsets_.size() < count) {
      const std::size_t at = offsets_.size();
      offsets_.resize(std::min(count, at + kAtOnce));
      bytes_.read(offsets_.data() + at, (offsets_.size() - at) * sizeof(uint32_t));
    }
  }
  void check_offsets(uint64_t table) const {
    uint64_t last = table;
    for (std::size_t i = 0; i < offsets_.size(); ++i) {
      BESSEMER_CHECK_DATA(offsets_[i] >= last, shard_.path, ": sample ", i, " begins at byte ", offsets_[i],
                          ", what comes before it ends at ", last, "; offsets never go back");
      last = offsets_[i];
    }
    BESSEMER_CHECK_DATA(last == shard_.bytes, shard_.path, ": its last sample ends at byte ", last, ", it has ",
                        shard_.bytes, " bytes");
  }

  bool begin_sample() {
    if (sample_ == shard_.samples) {
      BESSEMER_CHECK_DATA(bytes_.ended(), shard_.path, ": goes on behind its last sample, at byte ", bytes_.at());
      return false;
    }
    const uint64_t size = offsets_[sample_ + 1] - offsets_[sample_];
    ++sample_;
    tokens_ = 0;
    begin_column(size);
    if (shard_.column.array) begin_array();
    BESSEMER_CHECK_DATA(left_ % element_.bytes == 0, place(), ": ", left_, " bytes are no whole number of ids of ",
                        name_of(element_), "; is --dtype another?");
    return true;
  }

  /// Up to the first byte of our column, of left_ bytes.
  void begin_column(uint64_t size) {
    const auto& column = shard_.column;
    uint64_t all = 0, before = 0;
    element_ = column.element.value_or(Element{});
    std::vector<uint64_t> sizes;
    for (const auto& fixed : column.sizes) {
      all += fixed ? 0 : sizeof(uint32_t);
      BESSEMER_CHECK_DATA(all <= size, place(), ": ", size, " bytes do not hold the sizes of its columns");
      sizes.push_back(fixed ? *fixed : bytes_.number<uint32_t>());
    }
    for (std::size_t c = 0; c < sizes.size(); ++c) {
      if (c < column.index) before += sizes[c];
      all = sizes[c] > size ? std::numeric_limits<uint64_t>::max() : all + sizes[c];
      BESSEMER_CHECK_DATA(all <= size, place(), ": its columns take more than its ", size, " bytes");
    }
    BESSEMER_CHECK_DATA(all == size, place(), ": its columns take ", all, " bytes, it has ", size);
    bytes_.skip(before);
    left_ = sizes[column.index];
  }

  /// Type and shape, where they come before the numbers.
  void begin_array() {
    if (!shard_.column.element) element_ = element_of_code(place(), take<uint8_t>());
    if (!shard_.column.shape) return;
    const auto code = take<uint8_t>();
    uint64_t numbers = element_.bytes;
    for (int axis = 0; axis < code >> 2; ++axis) {
      const uint64_t extent = take_extent(code & 3);
      BESSEMER_CHECK_DATA(!__builtin_mul_overflow(numbers, extent, &numbers), place(),
                          ": the shape of its array has more than 2^64 numbers");
    }
    BESSEMER_CHECK_DATA(numbers == left_, place(), ": an array of ", numbers, " bytes by its shape, of ", left_,
                        " by its column");
  }
  uint64_t take_extent(int code) {
    switch (code) {
      case 0: return take<uint8_t>();
      case 1: return take<uint16_t>();
      case 2: return take<uint32_t>();
      default: return take<uint64_t>();
    }
  }
  template <class T>
  T take() {
    BESSEMER_CHECK_DATA(left_ >= sizeof(T), place(), ": ends within the shape of its array");
    left_ -= sizeof(T);
    return bytes_.number<T>();
  }

  const MdsShard& shard_;
  uint32_t vocab_size_;
  ShardBytes bytes_;
  std::vector<uint32_t> offsets_;
  uint64_t sample_ = 0;  ///< the one behind that at hand
  uint64_t left_ = 0;    ///< bytes of its column
  uint64_t tokens_ = 0;  ///< of it that have come
  Element element_;
  std::vector<unsigned char> raw_;
  std::vector<uint32_t> ids_;
};

class MdsReader final : public NeighbourReader {
 public:
  MdsReader(std::string directory, const NeighbourOptions& options)
      : directory_(std::move(directory)), vocab_size_(options.vocab_size),
        shards_(read_mds_index(directory_, options)) {}

  bool next(TokenPiece& piece) override {
    for (;; ++at_, reader_.reset()) {
      if (at_ == shards_.size()) return false;
      if (!reader_) begin(shards_[at_]);
      if (reader_->next(piece)) return true;
    }
  }
  std::vector<std::string> files() const override {
    std::vector<std::string> all{directory_ + "/index.json"};
    for (const auto& shard : shards_) all.push_back(shard.path);
    return all;
  }
  std::string remark() const override {
    std::string all;
    for (const auto& algorithm : unchecked_) all += (all.empty() ? "" : ", ") + algorithm;
    return all.empty() ? "" : concat(directory_, ": hashes not checked: ", all, " (sha256 and xxh are)");
  }

 private:
  void begin(const MdsShard& shard) {
    for (const auto& [algorithm, expected] : shard.hashes) {
      const auto found = hash_of_file(shard.path, algorithm);
      if (!found) unchecked_.insert(algorithm);
      BESSEMER_CHECK_DATA(!found || *found == expected, shard.path, ": ", algorithm, " is ", *found,
                          ", index.json says ", expected, "; it was damaged, copy it again");
    }
    reader_ = std::make_unique<ShardReader>(shard, vocab_size_);
  }
  std::string directory_;
  uint32_t vocab_size_;
  std::vector<MdsShard> shards_;
  std::size_t at_ = 0;
  std::unique_ptr<ShardReader> reader_;
  std::set<std::string> unchecked_;
};

}  // namespace

bool is_mds(const std::string& source) {
  std::error_code none;
  return std::filesystem::is_regular_file(source + "/index.json", none);
}

std::unique_ptr<NeighbourReader> open_mds(const std::string& source, const NeighbourOptions& options) {
  return std::make_unique<MdsReader>(source, options);
}

}  // namespace bessemer::data
