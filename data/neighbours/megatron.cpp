#include "data/neighbours/megatron.h"

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "parallel/error.h"

namespace bessemer::data {
namespace {

namespace fs = std::filesystem;

constexpr char kMagic[9] = {'M', 'M', 'I', 'D', 'I', 'D', 'X', 0, 0};
constexpr uint64_t kHeader = 34;

template <class T>
T value_at(const unsigned char* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

Element element_of_code(const std::string& path, uint8_t code) {
  switch (code) {
    case 1: return {1, false};
    case 2: return {1, true};
    case 3: return {2, true};
    case 4: return {4, true};
    case 5: return {8, true};
    case 8: return {2, false};
    default: break;
  }
  const char* name = code == 6 ? " (f64)" : code == 7 ? " (f32)" : "";
  fail(ExitCode::kBadData, path, ": type code ", static_cast<int>(code), name,
       ", a type of token ids is expected: 1 (u8), 2 (i8), 3 (i16), 4 (i32), 5 (i64) or 8 (u16)");
}

struct Header {
  Element element;
  uint64_t sequences = 0, entries = 0;
  bool modes = false;
  uint64_t lengths() const { return kHeader; }  // where each table begins
  uint64_t pointers() const { return lengths() + 4 * sequences; }
  uint64_t documents() const { return pointers() + 8 * sequences; }
  uint64_t mode_table() const { return documents() + 8 * entries; }
};

Header read_header(const FileDescriptor& file) {
  const std::string& path = file.path();
  unsigned char bytes[kHeader] = {};
  const std::size_t got = file.read_at(0, bytes, sizeof bytes);
  BESSEMER_CHECK_DATA(got >= sizeof kMagic && std::memcmp(bytes, kMagic, sizeof kMagic) == 0, path,
                      ": does not begin with MMIDIDX, as an index of Megatron-LM does",
                      got >= 6 && std::memcmp(bytes, "TNTIDX", 6) == 0
                          ? "; this is its older kind (TNTIDX): make it again with --dataset-impl mmap"
                          : "; give the file's own format by --from");
  BESSEMER_CHECK_DATA(got == kHeader, path, ": ", got, " bytes, a header of ", kHeader,
                      " is expected; it is truncated, copy it again");
  const auto version = value_at<uint64_t>(bytes + 9);
  BESSEMER_CHECK_DATA(version == 1, path, ": version ", version, ", version 1 is expected");
  Header h{element_of_code(path, bytes[17]), value_at<uint64_t>(bytes + 18), value_at<uint64_t>(bytes + 26)};
  const uint64_t size = file.size();
  // Before anything is multiplied: neither count can be larger than the file.
  const bool possible = h.sequences <= size && h.entries <= size;
  h.modes = possible && size == h.mode_table() + h.sequences && h.sequences > 0;
  BESSEMER_CHECK_DATA(possible && (h.modes || size == h.mode_table()), path, ": ", size, " bytes, its header says ",
                      h.sequences, " sequences and ", h.entries,
                      " entries of documents, which take another size; it is truncated or damaged, copy it again");
  BESSEMER_CHECK_DATA(h.sequences > 0, path, ": holds no sequences");
  return h;
}

/// Numbers of one table, read in pieces.
template <class T>
class Table {
 public:
  Table(const FileDescriptor& file, uint64_t offset, uint64_t count) : file_(file), offset_(offset), left_(count) {}
  T next() {
    if (at_ == piece_.size()) fill();
    return piece_[at_++];
  }

 private:
  void fill() {
    piece_.resize(std::min<uint64_t>(left_, 1 << 15));
    const std::size_t bytes = piece_.size() * sizeof(T);
    BESSEMER_CHECK_DATA(bytes > 0 && file_.read_at(offset_, piece_.data(), bytes) == bytes, file_.path(),
                        ": ends at byte ", offset_, "; it changed while it was read, start again");
    offset_ += bytes, left_ -= piece_.size(), at_ = 0;
  }
  const FileDescriptor& file_;
  uint64_t offset_, left_;
  std::vector<T> piece_;
  std::size_t at_ = 0;
};

/// Checks lengths, pointers and modes; the tokens of all sequences.
uint64_t check_sequences(const FileDescriptor& file, const Header& h) {
  Table<int32_t> lengths(file, h.lengths(), h.sequences);
  Table<int64_t> pointers(file, h.pointers(), h.sequences);
  Table<int8_t> modes(file, h.mode_table(), h.modes ? h.sequences : 0);
  uint64_t tokens = 0;  // at most 2^31 times the file's size: no overflow
  for (uint64_t i = 0; i < h.sequences; ++i) {
    const int32_t length = lengths.next();
    const int64_t pointer = pointers.next();
    const int mode = h.modes ? modes.next() : 0;
    BESSEMER_CHECK_DATA(length >= 0, file.path(), ": sequence ", i, " has length ", length, "; 0 or more is expected");
    BESSEMER_CHECK_DATA(pointer >= 0 && static_cast<uint64_t>(pointer) == tokens * h.element.bytes, file.path(),
                        ": sequence ", i, " begins at byte ", pointer, ", the one before it ends at ",
                        tokens * h.element.bytes, "; each is expected to begin where the last one ends");
    BESSEMER_CHECK_DATA(mode == 0, file.path(), ": sequence ", i, " has mode ", mode,
                        " (no text); only sequences of text can be imported");
    tokens += static_cast<uint64_t>(length);
  }
  return tokens;
}

void check_documents(const FileDescriptor& file, const Header& h) {
  BESSEMER_CHECK_DATA(h.entries >= 2, file.path(), ": ", h.entries,
                      " entries of documents; at least two are expected (0 and the number of sequences)");
  Table<int64_t> documents(file, h.documents(), h.entries);
  int64_t last = 0;
  for (uint64_t i = 0; i < h.entries; ++i) {
    const int64_t first = documents.next();
    BESSEMER_CHECK_DATA(i > 0 ? first >= last : first == 0, file.path(), ": document ", i, " begins with sequence ",
                        first, ", the one before it with ", last, "; they begin with 0 and never go back");
    last = first;
  }
  BESSEMER_CHECK_DATA(static_cast<uint64_t>(last) == h.sequences, file.path(), ": documents end with sequence ", last,
                      ", there are ", h.sequences, " sequences");
}

class MegatronReader final : public NeighbourReader {
 public:
  MegatronReader(const std::string& prefix, const NeighbourOptions& options)
      : index_(prefix + ".idx", FileDescriptor::Mode::kRead), header_(read_header(index_)),
        tokens_((check_documents(index_, header_), check_sequences(index_, header_))),
        bin_(prefix + ".bin", 0, tokens_, header_.element, options.vocab_size),
        lengths_(index_, header_.lengths(), header_.sequences),
        documents_(index_, header_.documents(), header_.entries), documents_left_(header_.entries - 1) {
    const uint64_t size = fs::file_size(bin_.path()), expected = tokens_ * header_.element.bytes;
    BESSEMER_CHECK_DATA(size == expected, bin_.path(), ": ", size, " bytes, its index tells of ", tokens_,
                        " tokens of ", name_of(header_.element), ", which take ", expected,
                        "; the two files do not belong together, or one is truncated");
    BESSEMER_CHECK_DATA(tokens_ > 0, bin_.path(), ": holds no tokens");
    documents_.next();  // 0
  }

  bool next(TokenPiece& piece) override {
    if (left_ == 0) {
      if (documents_left_ == 0) return false;
      --documents_left_;
      for (const int64_t end = documents_.next(); sequence_ < end; ++sequence_)
        left_ += static_cast<uint64_t>(std::max(0, lengths_.next()));
    }
    piece.ids = bin_.read(left_);
    BESSEMER_CHECK_DATA(left_ == 0 || !piece.ids.empty(), index_.path(), ": changed while it was read, start again");
    left_ -= piece.ids.size();
    piece.ends_document = left_ == 0;
    return true;
  }
  std::optional<uint64_t> stated_tokens() const override { return tokens_; }
  std::vector<std::string> files() const override { return {bin_.path(), index_.path()}; }

 private:
  FileDescriptor index_;
  Header header_;
  uint64_t tokens_;
  TokenFile bin_;
  Table<int32_t> lengths_;
  Table<int64_t> documents_;
  uint64_t documents_left_;
  int64_t sequence_ = 0;
  uint64_t left_ = 0;  ///< tokens of the document at hand
};

}  // namespace

std::string megatron_prefix(const std::string& source) {
  const bool file = source.ends_with(".bin") || source.ends_with(".idx");
  return file ? source.substr(0, source.size() - 4) : source;
}

bool is_megatron(const std::string& source) {
  const std::string prefix = megatron_prefix(source);
  std::error_code none;
  return fs::is_regular_file(prefix + ".idx", none) && fs::is_regular_file(prefix + ".bin", none);
}

std::unique_ptr<NeighbourReader> open_megatron(const std::string& source, const NeighbourOptions& options) {
  return std::make_unique<MegatronReader>(megatron_prefix(source), options);
}

}  // namespace bessemer::data
