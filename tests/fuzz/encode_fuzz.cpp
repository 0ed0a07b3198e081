// decode(encode(text)) is the text, for byte-level BPE with each pattern, wherever the text is cut by safe_cut.
#include "data/tokenizers/bpe_trainer.h"
#include "data/tokenizers/hf_json.h"
#include "data/tokenizers/tokenizer_json.h"
#include "data/utf8.h"
#include "tests/fuzz/fuzz.h"

namespace {

std::unique_ptr<bessemer::data::Tokenizer> make(const char* pattern) {
  bessemer::data::WordCounts words;
  for (const char* word :
       {"the", " the", "hello", " hello", "  ", "\n\n", "123", "'s", "\xC3\xB6", " \xE4\xB8\xAD\xE6\x96\x87"})
    words.add(word, 5);
  bessemer::data::BpeTrainerOptions options;
  options.vocab_size = 300;
  return bessemer::data::hf_tokenizer(
      bessemer::data::byte_level_json(bessemer::data::train_bpe(words, options), pattern), pattern);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  using namespace bessemer;
  static const auto gpt2 = make("gpt2"), cl100k = make("cl100k");
  const std::string_view given(reinterpret_cast<const char*>(data), size);
  uint64_t broken = 0;
  const std::string text = data::repaired_utf8(given, broken);
  for (const auto* tokenizer : {gpt2.get(), cl100k.get()}) {
    const auto ids = tokenizer->encode(given);
    if (tokenizer->decode(ids) != text) std::abort();
    const std::size_t cut = tokenizer->safe_cut(text);
    auto joined = tokenizer->encode(std::string_view(text).substr(0, cut));
    for (const uint32_t id : tokenizer->encode(std::string_view(text).substr(cut))) joined.push_back(id);
    if (joined != ids) std::abort();
  }
  return 0;
}
