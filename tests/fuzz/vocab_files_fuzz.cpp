// GPT-2's vocab.json and merges.txt (up to the first NUL, and behind it), and BERT's vocab.txt.
#include "data/tokenizers/vocab_files.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  using namespace bessemer;
  const std::string_view all(reinterpret_cast<const char*>(data), size);
  const std::size_t cut = std::min(all.find('\0'), size);
  const std::string folder = std::filesystem::path(fuzz::as_file(all.substr(0, cut), "vocab.json")).parent_path();
  fuzz::as_file(all.substr(std::min(cut + 1, size)), "merges.txt");
  fuzz::allow_refusal([&] { data::open_gpt2(folder)->encode("Hello hello"); });
  fuzz::allow_refusal([&] { data::open_wordpiece(fuzz::as_file(all, "vocab.txt"))->encode("Hello hello"); });
  return 0;
}
