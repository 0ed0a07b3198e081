#include "data/neighbours/nanogpt.h"

#include "data/neighbours/llmc.h"
#include "parallel/error.h"

namespace bessemer::data {
namespace {

class NanoGptWriter final : public NeighbourWriter {
 public:
  explicit NanoGptWriter(const std::string& path) { files_.emplace_back(path); }
  void append(std::span<const uint32_t> ids) override { files_.front().append(ids, {2, false}); }
  void finish() override { publish(files_); }
  std::vector<std::string> files() const override { return {files_.front().path()}; }

 private:
  std::vector<OutputFile> files_;
};

}  // namespace

std::unique_ptr<NeighbourReader> open_nanogpt(const std::string& source, const NeighbourOptions& options) {
  for (const auto& format : neighbour_formats()) {
    BESSEMER_CHECK_DATA(!format.flat || !format.recognizes(source), source, ": begins as a file of ", format.what,
                        " does; import it by --from ", format.name);
  }
  const Element element = options.dtype.value_or(Element{2, false});
  const uint64_t size = FileDescriptor(source, FileDescriptor::Mode::kRead).size();
  BESSEMER_CHECK_DATA(size % element.bytes == 0, source, ": ", size, " bytes are no whole number of ids of ",
                      name_of(element), "; it is truncated, or --dtype is another");
  return std::make_unique<FlatFileReader>(TokenFile(source, 0, size / element.bytes, element, options.vocab_size),
                                          options.eod_id);
}

std::unique_ptr<NeighbourWriter> make_nanogpt_writer(const std::string& path, uint32_t vocab_size) {
  BESSEMER_CHECK(vocab_size <= 65536, "--to nanogpt: a vocabulary of ", vocab_size,
                 " does not fit into its u16; choose --to llmc or --to megatron");
  return std::make_unique<NanoGptWriter>(path);
}

}  // namespace bessemer::data
