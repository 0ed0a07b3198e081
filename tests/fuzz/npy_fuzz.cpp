// NumPy's arrays; the first byte is for options.
#include "data/neighbours/npy.h"
#include "tests/fuzz/neighbour_files.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  using namespace bessemer;
  if (size < 1) return 0;
  const std::string path = fuzz::as_file({reinterpret_cast<const char*>(data) + 1, size - 1}, "a.npy");
  const auto options = fuzz::neighbour_options(data[0]);
  fuzz::allow_refusal([&] { fuzz::read_all(data::open_npy(path, options), options); });
  return 0;
}
