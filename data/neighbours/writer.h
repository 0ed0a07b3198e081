#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "data/neighbours/element.h"

namespace bessemer::data {

/// The first `bytes` bytes of a file; false: it is not readable or shorter.
bool read_front(const std::string& path, void* out, std::size_t bytes);

/// A file that has another name until it is published, and goes where it is not. Errors: Error (69).
class OutputFile {
 public:
  explicit OutputFile(std::string path);
  ~OutputFile();
  OutputFile(OutputFile&& other) noexcept;
  OutputFile& operator=(OutputFile&&) = delete;

  const std::string& path() const { return path_; }
  void append(const void* data, std::size_t bytes);
  void append(std::span<const uint32_t> ids, Element element);  ///< u16, u32 or i32, and the ids fit into it
  void write_at(uint64_t offset, const void* data, std::size_t bytes);
  void sync();     ///< all that was appended lies on the disk
  void publish();  ///< gives it its name; after sync()

 private:
  void flush();
  std::string path_, temporary_;
  std::unique_ptr<FileDescriptor> file_;
  std::vector<unsigned char> waiting_;
};

/// Syncs and publishes all of them.
void publish(std::vector<OutputFile>& files);

/// Writes tokens as another program's files; they appear when complete (finish), or not at all.
class NeighbourWriter {
 public:
  virtual ~NeighbourWriter() = default;
  virtual void append(std::span<const uint32_t> ids) = 0;
  virtual void end_document() {}
  virtual void finish() = 0;
  virtual std::vector<std::string> files() const = 0;  ///< that it makes
};

}  // namespace bessemer::data
