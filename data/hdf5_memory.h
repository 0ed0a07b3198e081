#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "data/hdf5_handles.h"

namespace bessemer::data::hdf5 {

/// A file that is nowhere but in memory, and there only where something was written: a virtual file driver for HDF5.
///
/// HDF5 writes its tables here and never meets a full or failing disk (after which it can crash when the process ends).
/// Its own `core` driver would take memory for the contents of every dataset.
class MemoryFile {
 public:
  MemoryFile();
  ~MemoryFile();
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  /// Makes `access` (a file access property list) open files as this one. Error (69).
  void use(hid_t access, const std::string& name);
  uint64_t size() const;
  std::string read(uint64_t begin, uint64_t end) const;  ///< zeros where nothing was written

  struct Pages;

 private:
  std::unique_ptr<Pages> pages_;
};

}  // namespace bessemer::data::hdf5
