#pragma once
#include <cstddef>

namespace bessemer::data {

/// Element types, little-endian in the file. kOther: a type that a foreign file has and we do not write.
enum class Dtype { kU8, kU16, kU32, kU64, kI32, kI64, kF32, kOther };
std::size_t size_of(Dtype dtype);  ///< bytes of one element; 0 for kOther
const char* name_of(Dtype dtype);  ///< "u8", "u16", "u32", "u64", "i32", "i64", "f32", "other"

}  // namespace bessemer::data
