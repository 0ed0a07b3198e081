#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace bessemer::data {

/// Reads a message in Protocol Buffers' wire format field by field, and never beyond its bytes.
///
///   for (ProtobufReader in(bytes, name); in.next();) if (in.field() == 1) text = in.bytes();
///
/// Errors: Error (65) naming `name`, the field, and what was found and expected.
class ProtobufReader {
 public:
  /// \param bytes, name  must outlive the reader.
  ProtobufReader(std::string_view bytes, const std::string& name) : bytes_(bytes), name_(name) {}

  bool next();  ///< to the next field; false: the message ends here
  uint32_t field() const { return field_; }
  int64_t integer() const;  ///< int32, int64, bool and enum
  float number() const;     ///< float
  std::string_view bytes() const;

 private:
  enum class Wire : uint32_t { kVarint = 0, kEight = 1, kBytes = 2, kFour = 5 };
  uint64_t varint();
  uint64_t little_endian(std::size_t size);
  std::string_view take(uint64_t size);
  void expect(Wire wire) const;

  std::string_view bytes_;
  const std::string& name_;
  std::size_t at_ = 0;
  uint32_t field_ = 0;
  Wire wire_ = Wire::kVarint;
  uint64_t integer_ = 0;
  std::string_view value_;
};

}  // namespace bessemer::data
