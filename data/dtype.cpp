#include "data/dtype.h"

#include <array>

namespace bessemer::data {

std::size_t size_of(Dtype dtype) {
  switch (dtype) {
    case Dtype::kU8: return 1;
    case Dtype::kU16: return 2;
    case Dtype::kU32:
    case Dtype::kI32:
    case Dtype::kF32: return 4;
    case Dtype::kU64:
    case Dtype::kI64: return 8;
    case Dtype::kOther: break;
  }
  return 0;
}

const char* name_of(Dtype dtype) {
  constexpr std::array names{"u8", "u16", "u32", "u64", "i32", "i64", "f32", "other"};
  return names[static_cast<std::size_t>(dtype)];
}

}  // namespace bessemer::data
