#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "trainer/manifest.h"

namespace bessemer::trainer {

/// One global tensor as it lies in the shards: cut into slices along one dimension, each cut into parts.
struct StoredTensor {
  struct Part {
    int64_t first;  ///< elements of the slice, row-major
    int64_t count;
    std::size_t file;  ///< index into the rank files
    int64_t offset;    ///< byte in that file's shard
  };
  struct Slice {
    int64_t begin;
    int64_t end;
    std::vector<Part> parts;  ///< ascending
  };
  std::vector<int64_t> shape;
  int64_t dim = 0;
  std::vector<Slice> slices;  ///< ascending
};

using StoredTensors = std::map<std::string, StoredTensor>;

/// Error (65) naming the tensor unless every element of every tensor is stored exactly once, within its shard.
StoredTensors map_tensors(std::span<const RankFile> ranks);

/// A piece of a request that lies in one stretch of one file.
struct Stretch {
  std::size_t file;
  int64_t offset;  ///< bytes
  int64_t count;   ///< elements
};

/// Cuts elements [first, first + count) of the slice [begin, end) along `dim` into stored stretches, in order.
/// Error (64) where the request does not fit the tensor.
void for_each_stretch(const StoredTensor& tensor, int64_t dim, int64_t begin, int64_t end, int64_t first, int64_t count,
                      const std::function<void(const Stretch&)>& visit);

int64_t elements_of(const std::vector<int64_t>& shape);  ///< Error (65) where it does not fit 60 bits

}  // namespace bessemer::trainer
