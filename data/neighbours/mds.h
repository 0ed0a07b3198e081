#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "data/neighbours/neighbour.h"

namespace bessemer::data {

/// MosaicML's Streaming data sets: a directory with index.json and shards. A shard: u32 samples, u32[samples + 1] where
/// each sample begins and the last one ends, the configuration as JSON, the samples; a sample: u32 sizes of its columns
/// that have no fixed one, the columns. Shards may be packed with zstd or gzip. Source: Streaming,
/// streaming/base/format/mds/writer.py and encodings.py.

/// How a column holds its ids.
struct MdsColumn {
  std::size_t index = 0;
  std::vector<std::optional<uint64_t>> sizes;  ///< of every column, in bytes; none: told by the sample
  std::optional<Element> element;              ///< none: told by the sample
  bool array = false;                          ///< NumPy's ("ndarray"), not plain bytes
  bool shape = false;                          ///< an array's shape comes before its numbers
};

struct MdsShard {
  std::string path;                           ///< of the file that is there: plain, or else packed
  uint64_t samples = 0, bytes = 0;            ///< bytes: unpacked
  std::map<std::string, std::string> hashes;  ///< of that file, by algorithm
  MdsColumn column;
};

/// Errors: Error (65) naming index.json and the shard: not the JSON that is expected, files that are missing or of
/// another size, compressions and encodings that we do not have; (64) where --column or --dtype must say more.
std::vector<MdsShard> read_mds_index(const std::string& directory, const NeighbourOptions& options);

bool is_mds(const std::string& source);
/// Each sample is a document.
std::unique_ptr<NeighbourReader> open_mds(const std::string& source, const NeighbourOptions& options);

}  // namespace bessemer::data
