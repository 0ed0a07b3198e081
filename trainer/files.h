#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bessemer::trainer {

/// An open file; closes once.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(other.release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept;
  ~Descriptor();
  int get() const { return fd_; }
  int release();
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

// Each fails with Error (69), naming path, call and the system's words, unless it says otherwise. EINTR and short
// transfers are dealt with; a failed fsync is never tried again on the same file.

Descriptor open_file(const std::string& path, int flags, int mode = 0666);
void write_at(const Descriptor& file, const std::string& path, int64_t offset, const void* data, int64_t bytes);
/// Returns the bytes read: fewer than asked for only at the end of the file.
int64_t read_at(const Descriptor& file, const std::string& path, int64_t offset, void* data, int64_t bytes);
void append_all(const Descriptor& file, const std::string& path, std::string_view bytes);  ///< to the end of the file
/// Error where RLIMIT_FSIZE forbids a file of so many bytes (the kernel would kill us in the middle of writing it).
void check_size_limit(const std::string& path, int64_t bytes);
/// Reserves blocks, so that a full disk is an error here and not later. check_size_limit is called, too.
void reserve(const Descriptor& file, const std::string& path, int64_t bytes);
void resize(const Descriptor& file, const std::string& path, int64_t bytes);  ///< ftruncate
void sync_file(const Descriptor& file, const std::string& path);
void sync_directory(const std::string& path);

std::string read_text(const std::string& path, int64_t limit = int64_t{1} << 30);

/// A directory whose files are read by plain names, relative to its open descriptor: no link is followed, and nothing
/// but regular files is read, whatever a name in somebody's checkpoint says.
class Directory {
 public:
  explicit Directory(std::string path);
  const std::string& path() const { return path_; }
  std::string file(const std::string& name) const { return path_ + "/" + name; }  ///< for messages
  Descriptor open(const std::string& name) const;
  int64_t size(const std::string& name) const;  ///< -1: there is no such regular file
  std::string read_text(const std::string& name, int64_t limit = int64_t{1} << 30) const;

 private:
  std::string path_;
  Descriptor descriptor_;
};

void write_text_synced(const std::string& path, std::string_view text);      ///< truncates, writes, fsync
void write_text_atomically(const std::string& path, std::string_view text);  ///< temporary, fsync, rename, fsync parent
int64_t file_size(const std::string& path);                                  ///< -1 if there is none
bool exists(const std::string& path);
void make_directories(const std::string& path);
void rename_path(const std::string& from, const std::string& to);
/// `from` takes the place of the directory `to`, in one step where the file system can; what was at `to` is at `from`.
void exchange_paths(const std::string& from, const std::string& to);
inline constexpr const char* kAside = "-old";  ///< where it cannot: what was at `to` is at `from` + this for a moment
void remove_tree(const std::string& path);
std::vector<std::string> list_directory(const std::string& path);  ///< names, sorted
int64_t free_bytes(const std::string& path);                       ///< for us, of the file system
std::string parent_of(const std::string& path);
std::string random_hex();  ///< 16 digits from the system, for names of temporary files

}  // namespace bessemer::trainer
