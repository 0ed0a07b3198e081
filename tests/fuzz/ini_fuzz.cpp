// An INI file that anybody may have written; and the file that its configuration is echoed as.
#include "configs/parse.h"
#include "configs/text.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  using namespace bessemer;
  fuzz::allow_refusal([&] {
    const auto parsed = configs::parse({"", std::string(reinterpret_cast<const char*>(data), size), {}, {}});
    if (!parsed.problems.empty()) return;
    const std::string echo = configs::to_text(parsed.config);
    const auto again = configs::parse({"", echo, {}, {}});
    if (!again.problems.empty() || configs::to_text(again.config) != echo) std::abort();
  });
  return 0;
}
