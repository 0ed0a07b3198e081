// manifest.json and rank files with a right checksum, so that what it guards is reached; and without.
#include <cstdio>

#include "data/crc32c.h"
#include "tests/fuzz/fuzz.h"
#include "trainer/manifest.h"
#include "trainer/stored_tensors.h"

namespace {

std::string sealed(const std::string& rest) {
  std::string text = "{\"crc32c\":\"00000000\"," + rest;
  const uint32_t head = bessemer::data::crc32c(text.data(), 11);
  char digits[9];
  std::snprintf(digits, sizeof digits, "%08x", bessemer::data::crc32c(text.data() + 19, text.size() - 19, head));
  return text.replace(11, 8, digits);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  using namespace bessemer;
  const std::string given(reinterpret_cast<const char*>(data), size);
  for (const std::string& text : {given, sealed(given)}) {
    fuzz::allow_refusal([&] {
      const auto manifest = trainer::parse_manifest(text, "fuzz");
      if (trainer::to_text(trainer::parse_manifest(trainer::to_text(manifest), "again")) != trainer::to_text(manifest))
        std::abort();
    });
    fuzz::allow_refusal([&] {
      const auto rank = trainer::parse_rank_file(text, "fuzz");
      trainer::map_tensors(std::vector{rank});
    });
  }
  return 0;
}
