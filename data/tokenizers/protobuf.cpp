#include "data/tokenizers/protobuf.h"

#include <bit>

#include "parallel/error.h"

namespace bessemer::data {

bool ProtobufReader::next() {
  if (at_ == bytes_.size()) return false;
  const uint64_t key = varint();
  BESSEMER_CHECK_DATA(key >> 3 >= 1 && key >> 3 < (1u << 29), name_, ": field ", key >> 3, " in its byte ", at_,
                      ", a field of 1 to 536870911 is expected; it is no protobuf message");
  field_ = static_cast<uint32_t>(key >> 3);
  wire_ = static_cast<Wire>(key & 7);
  switch (wire_) {
    case Wire::kVarint: integer_ = varint(); break;
    case Wire::kEight: integer_ = little_endian(8); break;
    case Wire::kFour: integer_ = little_endian(4); break;
    case Wire::kBytes: value_ = take(varint()); break;
    default:
      fail(ExitCode::kBadData, name_, ": field ", field_, " has wire type ", key & 7, ", 0, 1, 2 or 5 is expected");
  }
  return true;
}

int64_t ProtobufReader::integer() const {
  expect(Wire::kVarint);
  return static_cast<int64_t>(integer_);
}

float ProtobufReader::number() const {
  expect(Wire::kFour);
  return std::bit_cast<float>(static_cast<uint32_t>(integer_));
}

std::string_view ProtobufReader::bytes() const {
  expect(Wire::kBytes);
  return value_;
}

uint64_t ProtobufReader::varint() {
  uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    const auto byte = static_cast<unsigned char>(take(1)[0]);
    value |= static_cast<uint64_t>(byte & 0x7F) << shift;
    if (byte < 0x80) return value;
  }
  fail(ExitCode::kBadData, name_, ": a number before its byte ", at_, " goes on beyond 10 bytes, the most of protobuf");
}

uint64_t ProtobufReader::little_endian(std::size_t size) {
  uint64_t value = 0;
  int shift = 0;
  for (const char byte : take(size))
    value |= static_cast<uint64_t>(static_cast<unsigned char>(byte)) << shift, shift += 8;
  return value;
}

std::string_view ProtobufReader::take(uint64_t size) {
  BESSEMER_CHECK_DATA(size <= bytes_.size() - at_, name_, ": ends after ", bytes_.size() - at_, " of the ", size,
                      " bytes that are expected from its byte ", at_, " on; it is truncated, or no protobuf message");
  const auto taken = bytes_.substr(at_, size);
  at_ += size;
  return taken;
}

void ProtobufReader::expect(Wire wire) const {
  BESSEMER_CHECK_DATA(wire_ == wire, name_, ": field ", field_, " has wire type ", static_cast<uint32_t>(wire_), ", ",
                      static_cast<uint32_t>(wire), " is expected");
}

}  // namespace bessemer::data
