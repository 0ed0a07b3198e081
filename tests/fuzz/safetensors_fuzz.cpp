// safetensors: the header alone, with the size of its buffer in the first two bytes; and the rest as a file.
#include <algorithm>
#include <vector>

#include "data/safetensors.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  using namespace bessemer;
  if (size < 2) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);
  fuzz::allow_refusal([&] {
    auto header = data::parse_safetensors_header(text, data[0] + 256u * data[1], "fuzz");
    const auto written = data::make_safetensors_header(header.tensors, header.metadata);
    data::parse_safetensors_header(std::string_view(written).substr(8),
                                   header.tensors.empty() ? 0 : header.tensors.back().end, "again");
  });
  const std::string path = fuzz::as_file(text, "a.safetensors");
  fuzz::allow_refusal([&] {
    const auto file = data::Safetensors::open(path);
    for (const auto& tensor : file.tensors()) {
      fuzz::allow_refusal([&] {
        const auto [rows, columns] = data::Safetensors::matrix(tensor);
        std::vector<float> out(static_cast<std::size_t>(tensor.bytes()));  // an element has a byte at least
        if (tensor.bytes() > 0) file.read(tensor.name, {0, rows, 0, columns}, out.data());
      });
      fuzz::allow_refusal([&] { file.integers(tensor.name); });
    }
  });
  return 0;
}
