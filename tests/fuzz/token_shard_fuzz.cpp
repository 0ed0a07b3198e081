// The HDF5 file of a token shard: any bytes, a shard with bytes changed, and files whose attributes and datasets are
// right but for what the input changes. Refused, or read without reading anything else.
#include "data/token_shard.h"

#include <cstring>

#include "tests/fuzz/fuzz.h"
#include "tests/support/shard_schema.h"

namespace {

using namespace bessemer::data;

const std::string& good_shard() {
  static const std::string bytes = [] {
    const std::string path = bessemer::fuzz::as_file("", "train-00000-of-00001.h5");
    ShardFacts facts;
    facts.split = "train", facts.dataset_id = std::string(32, 'a'), facts.tokenizer_name = facts.tokenizer_kind = "bytes";
    facts.tokenizer_sha256 = std::string(64, 'b'), facts.vocab_size = 256;
    TokenShardWriter writer(path, facts);
    std::vector<uint32_t> ids(3000);
    for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<uint32_t>(i % 251);
    writer.append(ids);
    writer.end_document();
    writer.finish();
    std::ifstream file(path, std::ios::binary);
    return std::string{std::istreambuf_iterator<char>(file), {}};
  }();
  return bytes;
}

class Bytes {
 public:
  explicit Bytes(std::string_view text) : text_(text) {}
  bool any() const { return at_ < text_.size(); }
  uint64_t next() { return any() ? static_cast<unsigned char>(text_[at_++]) : 0; }
  uint64_t word() {
    uint64_t value = 0;
    for (int i = 0; i < 8; ++i) value = value << 8 | next();
    return value;
  }

 private:
  std::string_view text_;
  std::size_t at_ = 0;
};

std::string changed_bytes(Bytes input) {
  std::string bytes = good_shard();
  while (input.any()) {
    const std::size_t at = (input.next() << 8 | input.next()) % bytes.size();
    bytes[at] = static_cast<char>(input.next());
  }
  return bessemer::fuzz::as_file(bytes, "train-00000-of-00001.h5");
}

Attribute any_attribute(Bytes& input) {
  switch (input.next() % 5) {
    case 0: return std::string(input.next() % 40, static_cast<char>(input.next()));
    case 1: return static_cast<int64_t>(input.word());
    case 2: return static_cast<uint32_t>(input.word());
    case 3: return input.word();
    default: return std::vector<uint32_t>(input.next() % 4, static_cast<uint32_t>(input.word()));
  }
}

std::string changed_schema(Bytes input) {
  auto [datasets, attributes] = bessemer::tests::ShardSchema();
  while (input.any()) {
    const uint64_t what = input.next();
    if (what % 3 == 0) {
      auto at = std::next(attributes.begin(), static_cast<std::ptrdiff_t>(input.next() % attributes.size()));
      at->second = any_attribute(input);
    } else if (what % 3 == 1 && attributes.size() > 1) {
      attributes.erase(std::next(attributes.begin(), static_cast<std::ptrdiff_t>(input.next() % attributes.size())));
    } else if (!datasets.empty()) {
      auto& dataset = datasets[input.next() % datasets.size()];
      dataset.dtype = static_cast<Dtype>(input.next() % 7);
      dataset.shape.resize(input.next() % 4);
      for (auto& extent : dataset.shape) extent = input.next();
    }
  }
  const std::string path = bessemer::fuzz::as_file("", "train-00000-of-00001.h5");
  create_layout(path, datasets, attributes);
  return path;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  using namespace bessemer;
  if (size < 1) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  fuzz::allow_refusal([&] {
    const std::string path = data[0] % 3 == 0   ? fuzz::as_file(rest, "train-00000-of-00001.h5")
                             : data[0] % 3 == 1 ? changed_bytes(Bytes(rest))
                                                : changed_schema(Bytes(rest));
    const TokenShard shard(path);
    std::vector<int64_t> ids(std::min<uint64_t>(shard.facts().tokens, 1 << 20));
    shard.read(0, ids);
    for (uint64_t d = 0; d < std::min<uint64_t>(shard.facts().documents, 1000); ++d) shard.document(d);
    shard.verify();
  });
  return 0;
}
