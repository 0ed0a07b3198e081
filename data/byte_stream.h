#pragma once
#include <cstdint>
#include <memory>
#include <string>

namespace bessemer::data {

/// The bytes of a file in order, unpacked where it is .gz, .zst (.zstd) or .xz (by its name).
class ByteStream {
 public:
  virtual ~ByteStream() = default;
  /// Fewer than `bytes` only at the end. Errors: Error (65) naming file and place: damaged, truncated, or unpacked to
  /// more than `kMostExpansion` times its size.
  virtual std::size_t read(char* out, std::size_t bytes) = 0;
  virtual uint64_t raw() const = 0;  ///< bytes of the file that were taken so far

  static constexpr uint64_t kMostExpansion =
      2000;  ///< zstd and xz reach it on real text only where a text repeats itself
};

enum class Packing { kNone, kGzip, kZstd, kXz };
Packing packing_of(const std::string& path);
/// The name without .gz, .zst, .xz.
std::string unpacked_name(const std::string& path);

/// \param offset  where to begin; 0 for packed files.
std::unique_ptr<ByteStream> open_stream(const std::string& path, uint64_t offset = 0);

}  // namespace bessemer::data
