#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "data/dtype.h"

namespace bessemer::data {

/// The one home of HDF5 (with hdf5_layout.cpp). Every call into the library, closes included, holds one lock of the
/// process, so any thread may use these functions; files have no object times and the 1.10 format (checksummed
/// metadata), so that equal content gives equal bytes.

struct LayoutDataset {
  std::string name;  ///< '/' makes groups
  Dtype dtype = Dtype::kU8;
  std::vector<uint64_t> shape;  ///< {} is a scalar
};

/// Text is stored as a fixed-length UTF-8 string, of any length.
using Attribute = std::variant<std::string, int64_t, uint32_t, uint64_t, std::vector<uint32_t>>;

/// An HDF5 file as it will be, of which no byte is on disk yet.
struct Layout {
  struct Piece {
    uint64_t offset = 0;
    std::string bytes;
  };
  std::map<std::string, uint64_t> offsets;  ///< of each dataset's contents (a multiple of 64; 0 where it has none)
  uint64_t size = 0;                        ///< of the file
  std::vector<Piece> own;                   ///< every byte that belongs to no dataset, ascending
};

/// Lays out contiguous datasets in memory, a few KB whatever their sizes are: HDF5 touches no disk.
/// \param name   of the file, for errors: Error (69).
/// \param links  second names of datasets: new name -> existing name.
Layout plan_layout(const std::string& name, const std::vector<LayoutDataset>& datasets,
                   const std::map<std::string, Attribute>& attributes,
                   const std::map<std::string, std::string>& links = {});

/// Creates the file `path` (replacing it) with such a layout and takes its disk space; the contents are zeros, and the
/// caller writes them at the offsets returned, then fsyncs. Errors: Error (69) where the file cannot be created or the
/// disk is full; the file is then removed.
std::map<std::string, uint64_t> create_layout(const std::string& path, const std::vector<LayoutDataset>& datasets,
                                              const std::map<std::string, Attribute>& attributes,
                                              const std::map<std::string, std::string>& links = {});

struct DatasetInfo {
  std::string name;  ///< full path without the first '/'
  Dtype dtype = Dtype::kOther;
  std::vector<uint64_t> shape;
  bool contiguous = false;
  uint64_t offset = 0;        ///< of the contents, where contiguous and not empty
  uint64_t elements() const;  ///< product of the shape
  uint64_t bytes() const;     ///< both: the largest number where it overflows
};

/// An HDF5 file open for reading. Errors: Error (65) naming the file, with HDF5's own words.
///
/// Data in other files (external storage, virtual datasets, soft and external links) is refused or not seen.
class Hdf5File {
 public:
  explicit Hdf5File(const std::string& path);
  ~Hdf5File();
  Hdf5File(Hdf5File&&) noexcept;
  Hdf5File& operator=(Hdf5File&&) noexcept;

  const std::string& path() const;
  const std::vector<DatasetInfo>& datasets() const;           ///< sorted by name
  const DatasetInfo* find(const std::string& name) const;     ///< nullptr: not there
  const DatasetInfo& dataset(const std::string& name) const;  ///< not there: an Error that lists what is

  /// Reads rows [first, first + count) along dimension 0 (a scalar is one row), in any storage layout.
  /// \param as   element type in memory; HDF5 converts.
  /// \param out  room for count x (product of the other dimensions) elements.
  void read(const std::string& name, uint64_t first, uint64_t count, Dtype as, void* out) const;

  bool has_attribute(const std::string& name) const;  ///< of the root group, as the next two
  std::string text(const std::string& name) const;
  std::vector<int64_t> integers(const std::string& name) const;
  int64_t integer(const std::string& name) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string hdf5_version();  ///< of the library, "1.10.8"

}  // namespace bessemer::data
