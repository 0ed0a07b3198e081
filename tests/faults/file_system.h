#pragma once
#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "tests/faults/system_calls.h"

namespace bessemer::faults {

/// What a disk may hold after a power cut: a model of a file system that promises no more than POSIX does.
///
/// - Files and directories are inodes; a directory is a table of names. Each recorded call changes one inode's bytes or
///   size, or the names of one or two directories.
/// - A change is on disk for certain once an fsync of its inode (for names: of each directory concerned) that began
///   after it has returned. fsync of a file says nothing about its name, fsync of a directory nothing about the files.
/// - Until then each change, by itself and in any combination, may or may not be on disk. Changes that are there were
///   applied in the order of the calls. A write may be there in part: a multiple of 512 bytes from its beginning.
/// - rename and exchange are whole or not there at all.
/// - Bytes of a reserved size that no write has reached are zeros.
class FileSystem {
 public:
  /// One change, or a barrier.
  struct Operation {
    enum class Kind { kData, kSize, kNames, kSync } kind;
    std::string text;              ///< for reports: "pwrite .tmp-.../shard-... 4096 bytes"
    std::vector<int> inodes;       ///< whose change or barrier it is
    int64_t offset = 0, size = 0;  ///< data, size
    std::string data;
    struct Name {
      int directory;
      std::string name;
      int inode;  ///< -1: the name goes
    };
    std::vector<Name> names;
  };
  explicit FileSystem(std::string root) : root_(std::move(root)) { inode_of_[root_] = 0, is_directory_[0] = true; }
  void record(const Event& event);
  const std::vector<Operation>& operations() const { return operations_; }
  std::vector<Operation>& operations() { return operations_; }

  /// For each operation: after how many operations it is on disk for certain; SIZE_MAX: never.
  std::vector<std::size_t> synced_after() const;

  struct Crash {
    std::size_t count = 0;             ///< of operations that had been made
    std::vector<std::size_t> missing;  ///< of them
    std::size_t torn = SIZE_MAX;       ///< an operation of which only `torn_bytes` are there
    int64_t torn_bytes = 0;
  };
  /// path below the root -> contents; directories end in '/'.
  std::map<std::string, std::string> after(const Crash& crash) const;

 private:
  int inode(const std::string& path, bool make, bool directory);
  std::string root_;
  std::vector<Operation> operations_;
  std::map<std::string, int> inode_of_;  // as the program sees them now
  std::map<int, bool> is_directory_;
  int next_ = 1;
};

}  // namespace bessemer::faults
