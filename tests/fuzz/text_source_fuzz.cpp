// Text and JSON lines, also packed; the first byte says how they are read, the second where they are cut.
#include "data/text_source.h"
#include "tests/fuzz/fuzz.h"

namespace {

struct Count final : bessemer::data::TakeText {
  void text(std::string_view piece) override { bytes += piece.size(); }
  void end_document() override { ++documents; }
  void reject(bessemer::data::Reject) override { ++rejects; }
  void drop_document() override {}
  void progress(uint64_t) override {}
  uint64_t bytes = 0, documents = 0, rejects = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  using namespace bessemer;
  if (size < 2) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);
  const char* names[] = {"a.txt", "a.jsonl", "a.jsonl.gz", "a.jsonl.zst", "a.jsonl.xz", "a.txt.gz"};
  const std::string name = names[data[0] % 6];
  const data::TextSource source{fuzz::as_file(text, name), name, name.find("jsonl") != std::string::npos, text.size()};
  data::ReadOptions options;
  options.documents = static_cast<data::Documents>(data[0] / 6 % 3);
  options.utf8 = data[0] / 18 % 2 != 0, options.chat = data[0] / 36 % 2 != 0, options.longest_line = 1 << 16;
  fuzz::allow_refusal([&] {
    Count whole, parts;
    data::read_stretch(source, {0, text.size(), true}, options, whole);
    const uint64_t cut = text.empty() ? 0 : data[1] % text.size();
    if (data::packing_of(name) != data::Packing::kNone || cut == 0 || options.documents == data::Documents::kFile)
      return;
    data::read_stretch(source, {0, cut, false}, options, parts);
    data::read_stretch(source, {cut, text.size(), true}, options, parts);
    if (parts.documents != whole.documents || parts.bytes != whole.bytes || parts.rejects != whole.rejects)
      std::abort();
  });
  return 0;
}
