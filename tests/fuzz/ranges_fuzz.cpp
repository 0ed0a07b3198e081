// Any slice and flat range of a tensor that was stored in any cut: against brute force. And cuts that make no sense.
#include <cstring>

#include "tests/fuzz/fuzz.h"
#include "trainer/stored_tensors.h"

namespace {

using namespace bessemer::trainer;

class Bytes {
 public:
  Bytes(const uint8_t* data, std::size_t size) : at_(data), end_(data + size) {}
  int64_t below(int64_t n) { return n <= 0 ? 0 : next() % n; }
  int64_t next() { return at_ < end_ ? *at_++ : 0; }
  int64_t word() {
    int64_t value = 0;
    for (int i = 0; i < 8; ++i)
      value = static_cast<int64_t>(static_cast<uint64_t>(value) << 8 | static_cast<uint64_t>(next()));
    return value;
  }

 private:
  const uint8_t* at_;
  const uint8_t* end_;
};

/// Cuts [0, n) into parts; returns their ends.
std::vector<int64_t> cuts(int64_t n, Bytes& bytes) {
  std::vector<int64_t> ends;
  for (int64_t at = 0; at < n;) ends.push_back(at += 1 + bytes.below(n - at));
  return ends;
}

/// Global row-major indices of the slice [begin, end) along dim, in the slice's row-major order.
std::vector<int64_t> slice_of(const std::vector<int64_t>& shape, int64_t dim, int64_t begin, int64_t end) {
  int64_t outer = 1, extent = 1, inner = 1;
  for (std::size_t i = 0; i < shape.size(); ++i)
    (static_cast<int64_t>(i) < dim ? outer : static_cast<int64_t>(i) == dim ? extent : inner) *= shape[i];
  std::vector<int64_t> all;
  for (int64_t o = 0; o < outer; ++o) {
    for (int64_t e = begin; e < end; ++e) {
      for (int64_t i = 0; i < inner; ++i) all.push_back((o * extent + e) * inner + i);
    }
  }
  return all;
}

void compare(Bytes& bytes) {
  std::vector<int64_t> shape(static_cast<std::size_t>(bytes.below(4)));
  int64_t elements = 1;
  for (auto& n : shape) elements *= n = bytes.below(6);
  const int64_t dims = std::max<int64_t>(1, static_cast<int64_t>(shape.size()));
  const int64_t dim = bytes.below(dims), extent = shape.empty() ? 1 : shape[static_cast<std::size_t>(dim)];
  std::vector<RankFile> ranks(1 + static_cast<std::size_t>(bytes.below(3)));
  std::vector<std::pair<std::size_t, int64_t>> place(
      static_cast<std::size_t>(elements));  // file and byte of each element
  int64_t begin = 0;
  for (const int64_t end : cuts(extent, bytes)) {
    const auto slice = slice_of(shape, dim, begin, end);
    int64_t first = 0;
    for (const int64_t last : cuts(static_cast<int64_t>(slice.size()), bytes)) {
      const auto file = static_cast<std::size_t>(bytes.below(static_cast<int64_t>(ranks.size())));
      auto& shard = ranks[file].shard;
      const int64_t offset = shard.file.size + 4 * bytes.below(3);
      shard.chunks.push_back({"t", "t", shape, dim, begin, end, first, last - first, offset});
      for (int64_t i = first; i < last; ++i)
        place[static_cast<std::size_t>(slice[static_cast<std::size_t>(i)])] = {file, offset + 4 * (i - first)};
      shard.file.size = offset + 4 * (last - first);
      first = last;
    }
    begin = end;
  }
  if (elements == 0) return;
  const auto tensors = map_tensors(ranks);
  const int64_t wanted_dim = bytes.below(dims),
                wanted = shape.empty() ? 1 : shape[static_cast<std::size_t>(wanted_dim)];
  const int64_t from = bytes.below(wanted + 1), to = from + bytes.below(wanted - from + 1);
  const auto slice = slice_of(shape, wanted_dim, from, to);
  const int64_t first = bytes.below(static_cast<int64_t>(slice.size()) + 1);
  const int64_t count = bytes.below(static_cast<int64_t>(slice.size()) - first + 1);
  int64_t at = first;
  for_each_stretch(tensors.at("t"), wanted_dim, from, to, first, count, [&](const Stretch& s) {
    for (int64_t i = 0; i < s.count; ++i, ++at) {
      const auto expected = place[static_cast<std::size_t>(slice[static_cast<std::size_t>(at)])];
      if (s.file != expected.first || s.offset + 4 * i != expected.second) std::abort();
    }
  });
  if (at != first + count) std::abort();
}

void nonsense(Bytes& bytes) {
  std::vector<RankFile> ranks(1 + static_cast<std::size_t>(bytes.below(3)));
  for (auto& rank : ranks) {
    rank.shard.file.size = bytes.word();
    for (int64_t n = bytes.below(4); n > 0; --n) {
      std::vector<int64_t> shape(static_cast<std::size_t>(bytes.below(4)));
      for (auto& d : shape) d = bytes.word();
      rank.shard.chunks.push_back(
          {"t", "t", shape, bytes.word(), bytes.word(), bytes.word(), bytes.word(), bytes.word(), bytes.word()});
    }
  }
  map_tensors(ranks);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  Bytes bytes(data, size);
  if (bytes.below(8) != 0) {
    compare(bytes);
  } else {
    bessemer::fuzz::allow_refusal([&] { nonsense(bytes); });
  }
  return 0;
}
