#pragma once
#include <cstddef>
#include <cstdint>

namespace bessemer::data {

// Numbers of 16 bits as files hold them, without LibTorch. To fp32 is exact; back rounds to the nearest, ties to even.

float float_of_half(uint16_t bits);
uint16_t half_of_float(float value);
float float_of_bfloat16(uint16_t bits);
uint16_t bfloat16_of_float(float value);

}  // namespace bessemer::data
