#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "data/file.h"

namespace bessemer::data {

/// The integer type of token ids in somebody else's file; little-endian.
struct Element {
  uint32_t bytes = 2;  ///< 1, 2, 4 or 8
  bool is_signed = false;
  bool operator==(const Element&) const = default;
};

std::string name_of(Element element);  ///< "u16"
/// u8, i8, u16, ... i64, also as NumPy calls them (uint16); nothing for other words.
std::optional<Element> element_of(const std::string& name);

/// Appends `count` ids to `out`.
/// \param place  what the ids are counted in, for errors: a file, or a row of one.
/// \param first  the number of the first id there.
/// Errors: Error (65) naming place, number and id where one is negative or not below `vocab_size`.
void widen(std::span<const unsigned char> raw, Element element, uint32_t vocab_size, const std::string& place,
           uint64_t first, std::vector<uint32_t>& out);

/// The other way: little-endian numbers of `width` bytes (2 or 4), into which the ids fit.
void narrow(std::span<const uint32_t> ids, uint32_t width, unsigned char* out);

/// Token ids that lie in a row in a file, read in pieces.
class TokenFile {
 public:
  static constexpr uint64_t kPiece = 1 << 18;  ///< ids read at once, at the most

  /// \param offset  bytes before the first id.
  /// \param tokens  how many there are. Errors: Error (65) where the file does not hold so many.
  TokenFile(const std::string& path, uint64_t offset, uint64_t tokens, Element element, uint32_t vocab_size);
  const std::string& path() const { return file_.path(); }
  uint64_t tokens() const { return tokens_; }
  void seek(uint64_t token) { at_ = token; }
  /// The next ids, at most `most` and kPiece; empty at the end. Valid until the next call.
  std::span<const uint32_t> read(uint64_t most = kPiece);

 private:
  FileDescriptor file_;
  uint64_t offset_, tokens_, at_ = 0;
  Element element_;
  uint32_t vocab_size_;
  std::vector<unsigned char> raw_;
  std::vector<uint32_t> ids_;
};

}  // namespace bessemer::data
