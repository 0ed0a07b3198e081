// Megatron-LM's index and ids: the first byte is for options, the next two say how long the index is.
#include "data/neighbours/megatron.h"
#include "tests/fuzz/neighbour_files.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  using namespace bessemer;
  if (size < 3) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 3, size - 3);
  const std::size_t index = (data[1] | std::size_t{data[2]} << 8) % (rest.size() + 1);
  fuzz::as_file(rest.substr(0, index), "m.idx");
  const std::string bin = fuzz::as_file(rest.substr(index), "m.bin");
  const auto options = fuzz::neighbour_options(data[0]);
  fuzz::allow_refusal([&] { fuzz::read_all(data::open_megatron(bin, options), options); });
  return 0;
}
