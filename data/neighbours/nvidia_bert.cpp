#include "data/neighbours/nvidia_bert.h"

#include <array>

#include "data/neighbours/hdf5_rows.h"
#include "parallel/error.h"

namespace bessemer::data {
namespace {

constexpr std::array kDatasets{"input_ids",           "input_mask",           "masked_lm_ids",
                               "masked_lm_positions", "next_sentence_labels", "segment_ids"};

class BertReader final : public NeighbourReader {
 public:
  BertReader(const std::string& source, const NeighbourOptions& options)
      : file_(source), ids_rows_(file_, "input_ids", true), mask_rows_(file_, "input_mask", false),
        position_rows_(file_, "masked_lm_positions", false), masked_rows_(file_, "masked_lm_ids", true),
        vocab_size_(options.vocab_size) {
    for (const auto* rows : {&mask_rows_, &position_rows_, &masked_rows_})
      BESSEMER_CHECK_DATA(rows->rows() == ids_rows_.rows(), source, ": its datasets have ", ids_rows_.rows(), " and ",
                          rows->rows(), " rows; as many of each are expected");
    BESSEMER_CHECK_DATA(mask_rows_.columns() == ids_rows_.columns(), source, ": input_ids are ", ids_rows_.columns(),
                        " in a row, input_mask ", mask_rows_.columns());
    BESSEMER_CHECK_DATA(position_rows_.columns() == masked_rows_.columns(), source, ": masked_lm_positions are ",
                        position_rows_.columns(), " in a row, masked_lm_ids ", masked_rows_.columns());
    BESSEMER_CHECK_DATA(ids_rows_.rows() > 0 && ids_rows_.columns() > 0, source, ": holds no examples");
  }

  bool next(TokenPiece& piece) override {
    if (row_ == ids_rows_.rows()) return false;
    const auto ids = ids_rows_.next(), mask = mask_rows_.next();
    const auto positions = position_rows_.next(), masked = masked_rows_.next();
    tokens_.assign(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(length_of(mask)));
    for (std::size_t i = 0; i < positions.size() && positions[i] != 0; ++i) {
      BESSEMER_CHECK_DATA(positions[i] > 0 && static_cast<uint64_t>(positions[i]) < tokens_.size(), place(),
                          ": masked_lm_positions ", i, " is ", positions[i], ", the row has ", tokens_.size(),
                          " tokens");
      tokens_[static_cast<std::size_t>(positions[i])] = masked[i];
    }
    out_.clear();
    widen({reinterpret_cast<const unsigned char*>(tokens_.data()), tokens_.size() * sizeof tokens_[0]}, {8, true},
          vocab_size_, place(), 0, out_);
    piece = {out_, true};
    ++row_;
    return true;
  }
  std::vector<std::string> files() const override { return {file_.path()}; }
  std::string remark() const override {
    return file_.path() + ": masked ids were put back; segments and next-sentence labels were left out";
  }

 private:
  std::string place() const { return concat(file_.path(), ": row ", row_); }
  /// Tokens before the padding.
  std::size_t length_of(std::span<const int64_t> mask) const {
    std::size_t length = 0;
    while (length < mask.size() && mask[length] == 1) ++length;
    for (std::size_t i = length; i < mask.size(); ++i)
      BESSEMER_CHECK_DATA(mask[i] == 0, place(), ": input_mask ", i, " is ", mask[i],
                          " behind padding; ones and then zeros are expected");
    return length;
  }
  Hdf5File file_;
  Hdf5Rows ids_rows_, mask_rows_, position_rows_, masked_rows_;
  uint32_t vocab_size_;
  uint64_t row_ = 0;
  std::vector<int64_t> tokens_;
  std::vector<uint32_t> out_;
};

}  // namespace

bool is_nvidia_bert(const std::string& source) {
  if (!is_hdf5(source)) return false;
  try {
    const Hdf5File file(source);
    for (const char* name : kDatasets) {
      if (file.find(name) == nullptr) return false;
    }
    return true;
  } catch (const Error&) {
    return false;
  }
}

std::unique_ptr<NeighbourReader> open_nvidia_bert(const std::string& source, const NeighbourOptions& options) {
  return std::make_unique<BertReader>(source, options);
}

}  // namespace bessemer::data
