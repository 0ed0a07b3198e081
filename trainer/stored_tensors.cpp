#include "trainer/stored_tensors.h"

#include <algorithm>

#include "parallel/error.h"

namespace bessemer::trainer {
namespace {

constexpr int64_t kElement = sizeof(float);

// How a tensor is cut along a dimension: [outer][extent][inner], row-major. A scalar is [1][1][1].
struct Cut {
  Cut(const std::vector<int64_t>& shape, int64_t dim) {
    for (std::size_t i = 0; i < shape.size(); ++i) {
      const auto at = static_cast<int64_t>(i);
      (at < dim ? outer : at == dim ? extent : inner) *= shape[i];
    }
  }
  int64_t outer = 1;
  int64_t extent = 1;
  int64_t inner = 1;
};

bool fits(const std::vector<int64_t>& shape, int64_t dim, int64_t begin, int64_t end, int64_t first, int64_t count) {
  const auto dims = std::max<int64_t>(1, static_cast<int64_t>(shape.size()));
  if (dim < 0 || dim >= dims) return false;
  const Cut cut(shape, dim);
  if (begin < 0 || begin > end || end > cut.extent) return false;
  const int64_t slice = cut.outer * (end - begin) * cut.inner;
  return first >= 0 && count >= 0 && first <= slice && count <= slice - first;
}

std::string text_of(const std::vector<int64_t>& shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

void add_chunk(StoredTensors& tensors, const StoredChunk& c, std::size_t file, int64_t shard_bytes,
               const std::string& where) {
  elements_of(c.shape);
  BESSEMER_CHECK_DATA(fits(c.shape, c.dim, c.begin, c.end, c.first, c.count), where, ": the part of ", c.dataset,
                      " (dim ", c.dim, ", [", c.begin, ", ", c.end, "), elements ", c.first, " + ", c.count,
                      ") does not fit its shape ", text_of(c.shape));
  const bool inside = c.offset >= 0 && c.offset <= shard_bytes && c.count <= (shard_bytes - c.offset) / kElement;
  BESSEMER_CHECK_DATA(inside || c.count == 0, where, ": ", c.dataset, " lies outside the file (byte ", c.offset, ", ",
                      c.count, " elements, ", shard_bytes, " bytes)");
  auto [it, fresh] = tensors.try_emplace(c.dataset, StoredTensor{c.shape, c.dim, {}});
  StoredTensor& tensor = it->second;
  BESSEMER_CHECK_DATA(fresh || (tensor.shape == c.shape && tensor.dim == c.dim), where, ": ", c.dataset, " has shape ",
                      text_of(c.shape), " cut along ", c.dim, " here and ", text_of(tensor.shape), " cut along ",
                      tensor.dim, " elsewhere");
  if (c.count == 0) return;
  auto same = std::find_if(tensor.slices.begin(), tensor.slices.end(),
                           [&](const auto& s) { return s.begin == c.begin && s.end == c.end; });
  if (same == tensor.slices.end()) same = tensor.slices.insert(same, {c.begin, c.end, {}});
  same->parts.push_back({c.first, c.count, file, c.offset});
}

// Slices must follow one another over the whole dimension, and parts over each slice: no gap, no overlap.
void check_coverage(const std::string& name, StoredTensor& tensor) {
  if (elements_of(tensor.shape) == 0) return;
  const Cut cut(tensor.shape, tensor.dim);
  auto by_begin = [](const auto& a, const auto& b) { return a.begin < b.begin; };
  std::sort(tensor.slices.begin(), tensor.slices.end(), by_begin);
  int64_t reached = 0;
  for (auto& slice : tensor.slices) {
    BESSEMER_CHECK_DATA(slice.begin == reached, name, ": dim ", tensor.dim, " is stored ",
                        slice.begin > reached ? "with a gap" : "twice", " at ", std::min(slice.begin, reached), " of ",
                        cut.extent);
    reached = slice.end;
    std::sort(slice.parts.begin(), slice.parts.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    int64_t element = 0;
    for (const auto& part : slice.parts) {
      BESSEMER_CHECK_DATA(part.first == element, name, ": slice [", slice.begin, ", ", slice.end, ") is stored ",
                          part.first > element ? "with a gap" : "twice", " at element ", std::min(part.first, element));
      element += part.count;
    }
    const int64_t expected = cut.outer * (slice.end - slice.begin) * cut.inner;
    BESSEMER_CHECK_DATA(element == expected, name, ": slice [", slice.begin, ", ", slice.end, ") has ", element, " of ",
                        expected, " elements");
  }
  BESSEMER_CHECK_DATA(reached == cut.extent, name, ": dim ", tensor.dim, " is stored up to ", reached, " of ",
                      cut.extent);
}

// Visits the stored stretches of elements [element, element + count) of a slice.
void visit_parts(const StoredTensor::Slice& slice, int64_t element, int64_t count,
                 const std::function<void(const Stretch&)>& visit) {
  auto part = std::upper_bound(slice.parts.begin(), slice.parts.end(), element,
                               [](int64_t e, const auto& p) { return e < p.first; });
  for (--part; count > 0; ++part) {
    const int64_t skip = element - part->first;
    const int64_t n = std::min(count, part->count - skip);
    visit({part->file, part->offset + skip * kElement, n});
    element += n, count -= n;
  }
}

// Visits [global, global + count), elements of the whole tensor in row-major order.
void visit_global(const StoredTensor& tensor, const Cut& stored, int64_t global, int64_t count,
                  const std::function<void(const Stretch&)>& visit) {
  while (count > 0) {
    const int64_t row = global / (stored.extent * stored.inner);
    const int64_t in_row = global % (stored.extent * stored.inner);
    const int64_t at = in_row / stored.inner;
    auto slice = std::upper_bound(tensor.slices.begin(), tensor.slices.end(), at,
                                  [](int64_t i, const auto& s) { return i < s.begin; });
    --slice;
    const int64_t n = std::min(count, slice->end * stored.inner - in_row);
    const int64_t width = (slice->end - slice->begin) * stored.inner;
    visit_parts(*slice, row * width + (in_row - slice->begin * stored.inner), n, visit);
    global += n, count -= n;
  }
}

}  // namespace

int64_t elements_of(const std::vector<int64_t>& shape) {
  int64_t elements = 1, extent = 1;  // the second takes a 0 for 1: a part of the product must fit, too
  for (int64_t n : shape) {
    const bool good =
        n >= 0 && !__builtin_mul_overflow(extent, std::max<int64_t>(n, 1), &extent) && extent <= int64_t{1} << 60;
    BESSEMER_CHECK_DATA(good, "the shape ", text_of(shape), " is no shape of a tensor");
    elements *= n;
  }
  return elements;
}

StoredTensors map_tensors(std::span<const RankFile> ranks) {
  StoredTensors tensors;
  for (std::size_t file = 0; file < ranks.size(); ++file) {
    const ShardInfo& shard = ranks[file].shard;
    for (const StoredChunk& chunk : shard.chunks) add_chunk(tensors, chunk, file, shard.file.size, shard.file.name);
  }
  for (auto& [name, tensor] : tensors) check_coverage(name, tensor);
  return tensors;
}

void for_each_stretch(const StoredTensor& tensor, int64_t dim, int64_t begin, int64_t end, int64_t first, int64_t count,
                      const std::function<void(const Stretch&)>& visit) {
  BESSEMER_CHECK(fits(tensor.shape, dim, begin, end, first, count), "dim ", dim, ", [", begin, ", ", end,
                 "), elements ", first, " + ", count, " do not fit the stored shape ", text_of(tensor.shape));
  const Cut wanted(tensor.shape, dim);
  const Cut stored(tensor.shape, tensor.dim);
  const int64_t width = (end - begin) * wanted.inner;  // of one row of the slice
  while (count > 0) {
    const int64_t row = first / width;
    const int64_t in_row = first % width;
    const int64_t n = std::min(count, width - in_row);
    visit_global(tensor, stored, (row * wanted.extent + begin) * wanted.inner + in_row, n, visit);
    first += n, count -= n;
  }
}

}  // namespace bessemer::trainer
