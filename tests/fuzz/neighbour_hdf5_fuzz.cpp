// HDF5 files of Cerebras and of NVIDIA's BERT: any bytes, or datasets of the right names whose types, shapes and
// numbers the input says. The first byte is for options.
#include <algorithm>

#include "data/hdf5.h"
#include "data/neighbours/cerebras.h"
#include "data/neighbours/nvidia_bert.h"
#include "tests/fuzz/neighbour_files.h"

namespace {

using namespace bessemer::data;

class Bytes {
 public:
  explicit Bytes(std::string_view text) : text_(text) {}
  uint8_t next() { return at_ < text_.size() ? static_cast<uint8_t>(text_[at_++]) : 0; }
  std::string_view rest() const { return text_.substr(at_); }

 private:
  std::string_view text_;
  std::size_t at_ = 0;
};

/// All datasets are filled with the rest of the input, again and again.
std::string file_of(Bytes input, bool bert) {
  std::vector<std::string> names{"data"};
  if (bert)
    names = {"input_ids", "input_mask", "masked_lm_positions", "masked_lm_ids", "segment_ids", "next_sentence_labels"};
  std::vector<LayoutDataset> datasets(names.size());
  for (std::size_t i = 0; i < names.size(); ++i) {
    auto& dataset = datasets[i];
    dataset.name = names[i];
    dataset.dtype = static_cast<Dtype>(input.next() % 7);
    dataset.shape.resize(input.next() % 4);
    for (auto& extent : dataset.shape) extent = input.next() % 16;
  }
  const std::string path = bessemer::fuzz::as_file("", "a.h5");
  const auto offsets = create_layout(path, datasets, {});
  FileDescriptor file(path, FileDescriptor::Mode::kWrite);
  for (const auto& dataset : datasets) {
    uint64_t bytes = size_of(dataset.dtype);
    for (const uint64_t extent : dataset.shape) bytes *= extent;
    const auto rest = input.rest();
    for (uint64_t at = 0; at < bytes && !rest.empty(); at += rest.size())
      file.write_at(offsets.at(dataset.name) + at, rest.data(), std::min<uint64_t>(rest.size(), bytes - at));
  }
  return path;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  using namespace bessemer;
  if (size < 2) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 2, size - 2);
  const auto options = fuzz::neighbour_options(data[0]);
  const bool bert = data[1] % 2 != 0;
  fuzz::allow_refusal([&] {
    const std::string path = data[1] % 4 < 2 ? fuzz::as_file(rest, "a.h5") : file_of(Bytes(rest), bert);
    is_cerebras(path), is_nvidia_bert(path);
    fuzz::read_all(bert ? open_nvidia_bert(path, options) : open_cerebras(path, options), options);
  });
  return 0;
}
