#include "data/neighbours/cerebras.h"

#include "data/neighbours/hdf5_rows.h"
#include "parallel/error.h"

namespace bessemer::data {
namespace {

constexpr Element kI64{8, true};

std::span<const unsigned char> bytes_of(std::span<const int64_t> numbers) {
  return {reinterpret_cast<const unsigned char*>(numbers.data()), numbers.size_bytes()};
}

/// Its own base, so that it is there before FlatReader asks it how much it holds.
struct Corpus {
  explicit Corpus(Hdf5File opened) : file(std::move(opened)), rows(file, "data", true) {}
  Hdf5File file;
  Hdf5Rows rows;
};

class CorpusReader final : private Corpus, public FlatReader {
 public:
  CorpusReader(Hdf5File opened, const NeighbourOptions& options)
      : Corpus(std::move(opened)), FlatReader(file.path(), rows.rows(), options.eod_id),
        vocab_size_(options.vocab_size) {}

 protected:
  std::span<const uint32_t> read() override {
    const auto numbers = rows.next_rows();
    ids_.clear();
    widen(bytes_of(numbers), kI64, vocab_size_, file.path(), first_, ids_);
    first_ += ids_.size();
    return ids_;
  }

 private:
  uint32_t vocab_size_;
  uint64_t first_ = 0;
  std::vector<uint32_t> ids_;
};

class SampleReader final : public NeighbourReader {
 public:
  SampleReader(Hdf5File opened, const NeighbourOptions& options)
      : file_(std::move(opened)), rows_(file_, "data", true), vocab_size_(options.vocab_size),
        planes_(file_.dataset("data").shape[1]), length_(file_.dataset("data").shape[2]) {
    BESSEMER_CHECK_DATA(rows_.rows() > 0 && length_ > 0, file_.path(), ": holds no samples");
  }

  bool next(TokenPiece& piece) override {
    if (document_ == ends_.size()) {
      if (sample_ == rows_.rows()) return false;
      read_sample();
    }
    const std::size_t begin = document_ == 0 ? 0 : ends_[document_ - 1];
    piece = {std::span(ids_).subspan(begin, ends_[document_] - begin), true};
    ++document_;
    return true;
  }
  std::vector<std::string> files() const override { return {file_.path()}; }
  std::string remark() const override {
    return unmasked_ == 0 ? ""
                          : concat(file_.path(), ": ", unmasked_, " samples have no token that counts for the loss");
  }

 private:
  void read_sample() {
    row_ = rows_.next();
    ids_.clear(), ends_.clear();
    document_ = 0;
    uint64_t counted = length_;  // behind the last one that counts for the loss
    while (counted > 0 && plane(1)[counted - 1] == 0) --counted;
    if (counted == 0)
      ++unmasked_, ends_.push_back(0);
    else if (planes_ == 3)
      add_document(0, counted, true);
    else
      add_documents(counted);
    ++sample_;
  }

  void add_documents(uint64_t counted) {
    const auto left = plane(3);  // tokens left in the document
    for (uint64_t begin = 0, at = 0; at < length_; ++at) {
      BESSEMER_CHECK_DATA(left[at] >= 0, place(), ": attention_span ", at, " is ", left[at], "; 0 or more is expected");
      if (left[at] > 0) continue;
      const bool last = at + 1 >= counted;
      add_document(begin, at + 1, last);
      if (last) return;
      begin = at + 1;
    }
    fail(ExitCode::kBadData, place(), ": attention_span does not come down to 0 at the end of its last document");
  }

  void add_document(uint64_t begin, uint64_t end, bool with_label) {
    widen(bytes_of(plane(0).subspan(begin, end - begin)), kI64, vocab_size_, place() + ", input ids", begin, ids_);
    if (with_label)
      widen(bytes_of(plane(2).subspan(end - 1, 1)), kI64, vocab_size_, place() + ", labels", end - 1, ids_);
    ends_.push_back(ids_.size());
  }

  std::span<const int64_t> plane(uint64_t p) const { return row_.subspan(p * length_, length_); }
  std::string place() const { return concat(file_.path(), ": sample ", sample_); }

  Hdf5File file_;
  Hdf5Rows rows_;
  uint32_t vocab_size_;
  uint64_t planes_, length_, sample_ = 0, unmasked_ = 0;
  std::span<const int64_t> row_;
  std::vector<uint32_t> ids_;      ///< of the sample at hand
  std::vector<std::size_t> ends_;  ///< of its documents
  std::size_t document_ = 0;
};

std::string shape_text(const std::vector<uint64_t>& shape) {
  std::string text;
  for (const uint64_t extent : shape) text += concat(text.empty() ? "" : ", ", extent);
  return "[" + text + "]";
}

bool is_shard(const Hdf5File& file) { return file.has_attribute("format") && file.text("format") == "token-shard"; }

}  // namespace

bool is_cerebras(const std::string& source) {
  if (!is_hdf5(source)) return false;
  try {
    const Hdf5File file(source);
    return file.find("data") != nullptr && !is_shard(file);
  } catch (const Error&) {
    return false;
  }
}

std::unique_ptr<NeighbourReader> open_cerebras(const std::string& source, const NeighbourOptions& options) {
  Hdf5File file(source);
  BESSEMER_CHECK_DATA(!is_shard(file), source, ": is a token shard already; train on its directory as it is");
  BESSEMER_CHECK_DATA(file.find("example_0/tokens") == nullptr, source,
                      ": holds texts of tokens, not ids (BERT of the Cerebras Model Zoo); build from the text instead");
  const auto& shape = file.dataset("data").shape;
  if (shape.size() == 1) return std::make_unique<CorpusReader>(std::move(file), options);
  BESSEMER_CHECK_DATA(shape.size() == 3 && shape[1] >= 3 && shape[1] <= 5, source, ": dataset 'data' is of shape ",
                      shape_text(shape), "; [tokens] or [samples, 3 to 5, length] is expected");
  BESSEMER_CHECK_DATA(options.eod_id < 0, source, ": samples say themselves where documents end; leave --eod-id out");
  return std::make_unique<SampleReader>(std::move(file), options);
}

}  // namespace bessemer::data
