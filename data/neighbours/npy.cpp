#include "data/neighbours/npy.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <limits>
#include <string_view>

#include "data/neighbours/writer.h"
#include "parallel/error.h"

namespace bessemer::data {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr uint64_t kLongestHeader = 1 << 16;

/// The header's dictionary, word by word; NumPy writes it by a fixed pattern, but promises only its grammar.
class Dictionary {
 public:
  Dictionary(const std::string& path, std::string_view text) : path_(path), text_(text) {}

  NpyHeader parse() {
    NpyHeader header;
    bool type = false, order = false, shape = false;
    expect('{');
    while (!take('}')) {
      const std::string key = text();
      expect(':');
      if (key == "descr" && !type)
        header.element = element(), type = true;
      else if (key == "fortran_order" && !order)
        fortran_ = boolean(), order = true;
      else if (key == "shape" && !shape)
        header.shape = numbers(), shape = true;
      else
        wrong(concat("the key '", key, "'"));
      if (!take(',')) {
        expect('}');
        break;
      }
    }
    BESSEMER_CHECK_DATA(type && order && shape, path_, ": its header lacks ",
                        !type    ? "descr"
                        : !order ? "fortran_order"
                                 : "shape");
    BESSEMER_CHECK_DATA(header.shape.size() <= 2 && !header.shape.empty(), path_, ": an array of ", header.shape.size(),
                        " dimensions; one (ids in a row) or two (a document in each row) are expected");
    BESSEMER_CHECK_DATA(!fortran_ || header.shape.size() == 1, path_,
                        ": its rows do not lie in a row (fortran_order); save numpy.ascontiguousarray(x)");
    return header;
  }

 private:
  [[noreturn]] void wrong(const std::string& what) const {
    fail(ExitCode::kBadData, path_, ": its header has ", what, " at character ", at_, " of: ", text_.substr(0, 200));
  }
  void blanks() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t')) ++at_;
  }
  bool take(char c) {
    blanks();
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!take(c)) wrong(concat("no '", c, "'"));
  }
  std::string text() {
    blanks();
    const char quote = at_ < text_.size() ? text_[at_] : ' ';
    if (quote != '\'' && quote != '"') wrong("no text");
    const auto end = text_.find(quote, at_ + 1);
    if (end == std::string_view::npos) wrong("a text without an end");
    const std::string found(text_.substr(at_ + 1, end - at_ - 1));
    at_ = end + 1;
    return found;
  }
  Element element() {
    const std::string descr = text();
    const bool integer = descr.size() == 3 && (descr[1] == 'u' || descr[1] == 'i');
    const auto found =
        integer ? element_of((descr[1] == 'u' ? "u" : "i") + std::to_string((descr[2] - '0') * 8)) : std::nullopt;
    BESSEMER_CHECK_DATA(found, path_, ": an array of type '", descr,
                        "'; integers are expected ('<u2', '<u4', '<i4', '<i8')");
    BESSEMER_CHECK_DATA(descr[0] != '>' || found->bytes == 1, path_, ": an array of type '", descr,
                        "' (big-endian); save x.astype('<", descr.substr(1), "')");
    return *found;
  }
  bool boolean() {
    blanks();
    for (const auto& [word, value] : {std::pair{std::string_view("True"), true}, {"False", false}}) {
      if (!text_.substr(at_).starts_with(word)) continue;
      at_ += word.size();
      return value;
    }
    wrong("neither True nor False");
  }
  std::vector<uint64_t> numbers() {
    std::vector<uint64_t> all;
    expect('(');
    while (!take(')')) {
      blanks();
      uint64_t number = 0;
      const auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), number);
      if (error != std::errc()) wrong("no extent, or one beyond 64 bits,");
      at_ = static_cast<std::size_t>(end - text_.data());
      take('L');  // Python 2's long numbers
      all.push_back(number);
      if (!take(',')) {
        expect(')');
        break;
      }
    }
    return all;
  }

  const std::string& path_;
  std::string_view text_;
  std::size_t at_ = 0;
  bool fortran_ = false;
};

class RowReader final : public NeighbourReader {
 public:
  RowReader(TokenFile file, uint64_t rows, uint64_t columns) : file_(std::move(file)), rows_(rows), columns_(columns) {
    BESSEMER_CHECK_DATA(file_.tokens() > 0, file_.path(), ": holds no tokens");
  }
  bool next(TokenPiece& piece) override {
    if (left_ == 0) {
      if (row_ == rows_) return false;
      ++row_, left_ = columns_;
    }
    piece.ids = file_.read(left_);
    left_ -= piece.ids.size();
    piece.ends_document = left_ == 0;
    return true;
  }
  std::optional<uint64_t> stated_tokens() const override { return file_.tokens(); }
  std::vector<std::string> files() const override { return {file_.path()}; }

 private:
  TokenFile file_;
  uint64_t rows_, columns_, row_ = 0, left_ = 0;
};

}  // namespace

bool is_npy(const std::string& source) {
  char front[kMagic.size()];
  return read_front(source, front, sizeof front) && std::string_view(front, sizeof front) == kMagic;
}

NpyHeader read_npy_header(const FileDescriptor& file) {
  const std::string& path = file.path();
  unsigned char front[12] = {};
  const std::size_t got = file.read_at(0, front, sizeof front);
  BESSEMER_CHECK_DATA(got >= kMagic.size() && std::memcmp(front, kMagic.data(), kMagic.size()) == 0, path,
                      ": does not begin as NumPy's files do; if it is plain numbers (as OLMo's), import it by --from "
                      "nanogpt with its --dtype");
  BESSEMER_CHECK_DATA(front[6] >= 1 && front[6] <= 3, path, ": version ", int{front[6]}, ".", int{front[7]},
                      ", version 1.0, 2.0 or 3.0 is expected");
  const uint64_t begin = front[6] == 1 ? 10 : 12;
  uint64_t length = front[8] | uint64_t{front[9]} << 8;
  if (front[6] > 1) length |= uint64_t{front[10]} << 16 | uint64_t{front[11]} << 24;
  BESSEMER_CHECK_DATA(got >= begin && length <= kLongestHeader && begin + length <= file.size(), path, ": a header of ",
                      length, " bytes in a file of ", file.size(), "; it is truncated or damaged");
  std::string text(length, '\0');
  file.read_at(begin, text.data(), text.size());
  NpyHeader header = Dictionary(path, text).parse();
  header.offset = begin + length;
  return header;
}

std::unique_ptr<NeighbourReader> open_npy(const std::string& source, const NeighbourOptions& options) {
  const FileDescriptor file(source, FileDescriptor::Mode::kRead);
  const NpyHeader header = read_npy_header(file);
  const bool rows = header.shape.size() == 2;
  const uint64_t columns = rows ? header.shape[1] : 1;
  const uint64_t size = file.size(), room = (size - header.offset) / header.element.bytes;
  const bool fits = columns == 0 || header.shape[0] <= room / columns;
  const uint64_t tokens = fits ? header.shape[0] * columns : std::numeric_limits<uint64_t>::max();
  BESSEMER_CHECK_DATA(fits && size == header.offset + tokens * header.element.bytes, source, ": ", size,
                      " bytes, its header of ", header.offset, " bytes says ", header.shape[0],
                      rows ? concat(" x ", columns) : "", " numbers of ", name_of(header.element),
                      ", which take another size; it is truncated or damaged");
  TokenFile ids(source, header.offset, tokens, header.element, options.vocab_size);
  if (!rows) return std::make_unique<FlatFileReader>(std::move(ids), options.eod_id);
  BESSEMER_CHECK_DATA(options.eod_id < 0, source,
                      ": each row of a two-dimensional array is a document; leave --eod-id out");
  return std::make_unique<RowReader>(std::move(ids), header.shape[0], columns);
}

}  // namespace bessemer::data
