#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace bessemer::data {

/// An open file, closed once. Errors name the file: Error (65) where it cannot be read, (69) where it cannot be
/// written.
class FileDescriptor {
 public:
  enum class Mode { kRead, kCreate, kWrite };  ///< kCreate empties what is there; kWrite leaves it
  FileDescriptor(std::string path, Mode mode);
  ~FileDescriptor();
  FileDescriptor(FileDescriptor&& other) noexcept;
  FileDescriptor& operator=(FileDescriptor&& other) noexcept;

  const std::string& path() const { return path_; }
  int get() const { return fd_; }
  std::size_t read(void* out, std::size_t bytes);  ///< fewer than `bytes` only at the end of the file
  /// Likewise from `offset` on, any thread. An error that may pass (a network file system's, a disk's) is tried again
  /// for three seconds.
  std::size_t read_at(uint64_t offset, void* out, std::size_t bytes) const;
  uint64_t size() const;
  void write(const void* data, std::size_t bytes);
  void write_at(uint64_t offset, const void* data, std::size_t bytes);
  void sync_and_close();

 private:
  std::string path_;
  int fd_ = -1;
};

void sync_directory(const std::string& path);
/// Gives what `temporary` holds (synced) the name `path`, and syncs the directory. Error (69).
void give_name(const std::string& temporary, const std::string& path);
/// Replaces `path` by `text` in one step: a temporary file, fsync, rename.
void write_file(const std::string& path, std::string_view text);
/// Errors: Error (65) naming the file; larger than `limit` bytes is one.
std::string read_file(const std::string& path, uint64_t limit = 1 << 30);
std::string sha256_of_file(const std::string& path);

/// Error (69) where the disk that would hold `path` has less than `bytes` free.
void require_space(const std::string& path, uint64_t bytes);
/// Takes the disk space of the whole file now, so that writing it cannot run out later. Error (69).
void allocate_file(const std::string& path);

}  // namespace bessemer::data
