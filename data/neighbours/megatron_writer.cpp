#include <algorithm>
#include <cstring>

#include "data/neighbours/megatron.h"
#include "parallel/error.h"

namespace bessemer::data {
namespace {

/// Numbers of one table of the index, written in pieces to their place.
template <class T>
class Column {
 public:
  Column(OutputFile& file, uint64_t offset, uint64_t count) : file_(file), offset_(offset), left_(count) {}
  void append(T value) {
    BESSEMER_CHECK_DATA(left_ > 0, file_.path(), ": more documents came than were counted; start again");
    --left_;
    waiting_.push_back(value);
    if (waiting_.size() == 1 << 15) flush();
  }
  void finish() {
    BESSEMER_CHECK_DATA(left_ == 0, file_.path(), ": fewer documents came than were counted; start again");
    flush();
  }

 private:
  void flush() {
    file_.write_at(offset_, waiting_.data(), waiting_.size() * sizeof(T));
    offset_ += waiting_.size() * sizeof(T);
    waiting_.clear();
  }
  OutputFile& file_;
  uint64_t offset_, left_;
  std::vector<T> waiting_;
};

class MegatronWriter final : public NeighbourWriter {
 public:
  MegatronWriter(const std::string& prefix, uint32_t vocab_size, const MegatronCounts& counts)
      : element_{vocab_size < 65500 ? 2u : 4u, vocab_size >= 65500}, longest_(counts.longest), files_(files_of(prefix)),
        lengths_(files_[1], kHeader, counts.sequences),
        pointers_(files_[1], kHeader + 4 * counts.sequences, counts.sequences),
        documents_(files_[1], kHeader + 12 * counts.sequences, counts.documents + 1) {
    char header[kHeader] = "MMIDIDX\0";
    const uint64_t version = 1, entries = counts.documents + 1;
    std::memcpy(header + 9, &version, 8);
    header[17] = element_.bytes == 2 ? 8 : 4;
    std::memcpy(header + 18, &counts.sequences, 8);
    std::memcpy(header + 26, &entries, 8);
    files_[1].append(header, sizeof header);
    documents_.append(0);
  }

  void append(std::span<const uint32_t> ids) override {
    while (!ids.empty()) {
      const auto n = std::min<uint64_t>(ids.size(), longest_ - length_);
      files_[0].append(ids.first(n), element_);
      length_ += n, ids = ids.subspan(n);
      if (length_ == longest_) end_sequence();
    }
  }
  void end_document() override {
    end_sequence();
    documents_.append(static_cast<int64_t>(sequences_));
  }
  void finish() override {
    lengths_.finish(), pointers_.finish(), documents_.finish();
    publish(files_);
  }
  std::vector<std::string> files() const override { return {files_[0].path(), files_[1].path()}; }

 private:
  static constexpr uint64_t kHeader = 34;
  static std::vector<OutputFile> files_of(const std::string& prefix) {
    std::vector<OutputFile> files;
    files.emplace_back(prefix + ".bin"), files.emplace_back(prefix + ".idx");
    return files;
  }
  void end_sequence() {
    if (length_ == 0) return;
    lengths_.append(static_cast<int32_t>(length_));
    pointers_.append(static_cast<int64_t>(begin_));
    begin_ += length_ * element_.bytes;
    length_ = 0, ++sequences_;
  }
  Element element_;
  uint64_t longest_;
  std::vector<OutputFile> files_;  ///< .bin and .idx; the index appears last
  Column<int32_t> lengths_;
  Column<int64_t> pointers_, documents_;
  uint64_t length_ = 0, begin_ = 0, sequences_ = 0;
};

}  // namespace

std::unique_ptr<NeighbourWriter> make_megatron_writer(const std::string& prefix, uint32_t vocab_size,
                                                      const MegatronCounts& counts) {
  BESSEMER_CHECK(vocab_size <= uint32_t{1} << 31, "--to megatron: a vocabulary of ", vocab_size,
                 " does not fit into its i32");
  return std::make_unique<MegatronWriter>(prefix, vocab_size, counts);
}

}  // namespace bessemer::data
