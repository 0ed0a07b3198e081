#pragma once
#include <cstring>
#include <string>
#include <vector>

#include "data/hdf5.h"
#include "tests/data/neighbours/bytes.h"

namespace bessemer::data {

/// A dataset with its numbers.
struct Filled {
  LayoutDataset dataset;
  std::vector<int64_t> numbers;
};

inline std::string write_hdf5(const std::string& path, const std::vector<Filled>& all,
                              const std::map<std::string, Attribute>& attributes = {}) {
  std::vector<LayoutDataset> datasets;
  for (const auto& one : all) datasets.push_back(one.dataset);
  const auto offsets = create_layout(path, datasets, attributes);
  FileDescriptor file(path, FileDescriptor::Mode::kWrite);
  for (const auto& one : all) {
    const std::string bytes = little(one.numbers, size_of(one.dataset.dtype));
    file.write_at(offsets.at(one.dataset.name), bytes.data(), bytes.size());
  }
  return path;
}

}  // namespace bessemer::data
