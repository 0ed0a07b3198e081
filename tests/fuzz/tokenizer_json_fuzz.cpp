// A tokenizer.json that anybody may have written: it is refused, or encodes and decodes whatever it is given.
#include "data/tokenizers/hf_json.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  using namespace bessemer;
  fuzz::allow_refusal([&] {
    const auto tokenizer = data::hf_tokenizer({reinterpret_cast<const char*>(data), size}, "fuzz");
    for (const char* text :
         {"", "Hello w\xC3\xB6rld 123\n\n it's <unk>", "\xE2\x96\x81\xE4\xB8\xAD\xF0\x9F\x98\x80 \xFF"}) {
      data::TokenIds ids;
      tokenizer->encoder(data::SpecialText::kParse)->encode(text, ids);
      tokenizer->decode(ids);
    }
    tokenizer->sha256();
  });
  return 0;
}
