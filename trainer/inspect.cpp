#include "trainer/inspect.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "data/hdf5.h"
#include "parallel/error.h"
#include "trainer/checkpoint_reader.h"
#include "trainer/manifest.h"

namespace bessemer::trainer {
namespace {

void inspect_layout(const Directory& directory, const RankFile& rank, std::vector<std::string>& problems) try {
  const std::string path = directory.file(rank.shard.file.name);
  const data::Hdf5File file(path);
  std::set<std::string> expected;
  for (const StoredChunk& c : rank.shard.chunks) {
    expected.insert(c.stored);
    const auto* found = file.find(c.stored);
    if (found == nullptr) {
      problems.push_back(concat(path, ": HDF5 sees no ", c.stored));
    } else if (found->elements() != static_cast<uint64_t>(c.count) || found->dtype != data::Dtype::kF32 ||
               !found->contiguous || (c.count > 0 && found->offset != static_cast<uint64_t>(c.offset))) {
      problems.push_back(concat(path, ": HDF5 sees ", c.stored, " as ", found->elements(), " elements of ",
                                data::name_of(found->dtype), " at byte ", found->offset, ", the rank file as ", c.count,
                                " of f32 at byte ", c.offset));
    }
  }
  for (const auto& dataset : file.datasets()) {
    if (!expected.contains(dataset.name))
      problems.push_back(concat(path, ": HDF5 sees ", dataset.name, ", the rank file does not"));
  }
} catch (const Error& error) {
  problems.push_back(error.what());
}

}  // namespace

std::vector<std::string> inspect_checkpoint(const std::string& path) {
  std::vector<std::string> problems;
  const Directory directory(path);
  for (const FileRecord& record : read_manifest(directory).rank_files) {
    inspect_layout(directory, parse_rank_file(directory.read_text(record.name), directory.file(record.name)), problems);
  }
  const auto reader = CheckpointReader::open(path);
  std::vector<float> piece(1 << 20);
  for (const std::string& name : reader.datasets()) {
    const auto& shape = reader.shape(name);
    int64_t elements = 1, bad = 0;
    for (const int64_t n : shape) elements *= n;
    for (int64_t first = 0; first < elements; first += static_cast<int64_t>(piece.size())) {
      const int64_t count = std::min(elements - first, static_cast<int64_t>(piece.size()));
      reader.read(name, 0, 0, shape.empty() ? 1 : shape[0], first, count, piece.data());
      bad += std::count_if(piece.begin(), piece.begin() + count, [](float x) { return !std::isfinite(x); });
    }
    if (bad > 0) problems.push_back(concat(path, ": ", name, " holds ", bad, " numbers that are not finite"));
  }
  return problems;
}

}  // namespace bessemer::trainer
