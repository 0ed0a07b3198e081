// Token files in a row: llm.c's with its header, and nanoGPT's without; the first byte is for options.
#include "data/neighbours/llmc.h"
#include "data/neighbours/nanogpt.h"
#include "tests/fuzz/neighbour_files.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  using namespace bessemer;
  if (size < 1) return 0;
  const std::string path = fuzz::as_file({reinterpret_cast<const char*>(data) + 1, size - 1}, "a.bin");
  auto options = fuzz::neighbour_options(data[0]);
  fuzz::allow_refusal([&] { fuzz::read_all(data::open_llmc(path, options), options); });
  for (const char* dtype : {"u16", "i64"}) {
    options.dtype = data::element_of(dtype);
    fuzz::allow_refusal([&] { fuzz::read_all(data::open_nanogpt(path, options), options); });
  }
  return 0;
}
