// A SentencePiece .model.
#include "data/tokenizers/sentencepiece.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  using namespace bessemer;
  fuzz::allow_refusal([&] {
    const auto tokenizer = data::sentencepiece_from_bytes({reinterpret_cast<const char*>(data), size}, "fuzz");
    for (const char* text : {"", " Hello  w\xC3\xB6rld\xEF\xBC\xA1", "\xE2\x96\x81\xFF<s>the the"})
      tokenizer->decode(tokenizer->encode(text));
    tokenizer->sha256();
  });
  return 0;
}
