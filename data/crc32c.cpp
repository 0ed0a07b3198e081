#include "data/crc32c.h"

#include <array>
#include <cstring>

namespace bessemer::data {
namespace {

constexpr uint32_t kPolynomial = 0x82F63B78;  // 0x1EDC6F41 with its bits reversed
using Tables = std::array<std::array<uint32_t, 256>, 8>;

constexpr Tables make_tables() {  // "slicing by 8": table k carries a byte past k more bytes
  Tables t{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (kPolynomial & (0u - (crc & 1)));
    t[0][i] = crc;
  }
  for (std::size_t k = 1; k < 8; ++k) {
    for (std::size_t i = 0; i < 256; ++i) t[k][i] = (t[k - 1][i] >> 8) ^ t[0][t[k - 1][i] & 0xFF];
  }
  return t;
}
constexpr Tables kTables = make_tables();

/// A CRC moved past a fixed number of zero bytes, as four table look-ups: it joins the three streams of the fast path.
using Shift = std::array<std::array<uint32_t, 256>, 4>;
constexpr std::size_t kStream = 2048;  // bytes of each of three streams that run side by side

constexpr uint32_t past_zeros(uint32_t crc, std::size_t bytes) {
  for (std::size_t i = 0; i < bytes; ++i) crc = (crc >> 8) ^ kTables[0][crc & 0xFF];
  return crc;
}

constexpr Shift make_shift() {
  Shift shift{};
  for (std::size_t k = 0; k < 4; ++k) {
    std::array<uint32_t, 8> single{};  // the map is linear: 8 bits give the 256 entries
    for (std::size_t bit = 0; bit < 8; ++bit) single[bit] = past_zeros(1u << (8 * k + bit), kStream);
    for (std::size_t i = 0; i < 256; ++i) {
      for (std::size_t bit = 0; bit < 8; ++bit) shift[k][i] ^= (i >> bit & 1) ? single[bit] : 0;
    }
  }
  return shift;
}

#if defined(__x86_64__)
uint32_t past_stream(uint32_t crc, const Shift& shift) {
  return shift[0][crc & 0xFF] ^ shift[1][crc >> 8 & 0xFF] ^ shift[2][crc >> 16 & 0xFF] ^ shift[3][crc >> 24];
}

uint64_t word_at(const unsigned char* at) {
  uint64_t word = 0;
  std::memcpy(&word, at, sizeof word);
  return word;
}

// The instruction takes three cycles but one can start each cycle, so three streams run side by side.
__attribute__((target("sse4.2"))) uint32_t crc32c_sse42(const void* data, std::size_t bytes, uint32_t start) {
  static constexpr Shift shift = make_shift();
  const auto* at = static_cast<const unsigned char*>(data);
  uint64_t crc = ~start;
  for (; bytes >= 3 * kStream; bytes -= 3 * kStream, at += 3 * kStream) {
    uint64_t second = 0, third = 0;
    for (std::size_t i = 0; i < kStream; i += 8) {
      crc = __builtin_ia32_crc32di(crc, word_at(at + i));
      second = __builtin_ia32_crc32di(second, word_at(at + kStream + i));
      third = __builtin_ia32_crc32di(third, word_at(at + 2 * kStream + i));
    }
    crc = past_stream(static_cast<uint32_t>(crc), shift) ^ second;
    crc = past_stream(static_cast<uint32_t>(crc), shift) ^ third;
  }
  for (; bytes >= 8; bytes -= 8, at += 8) crc = __builtin_ia32_crc32di(crc, word_at(at));
  auto rest = static_cast<uint32_t>(crc);
  for (; bytes > 0; --bytes, ++at) rest = __builtin_ia32_crc32qi(rest, *at);
  return ~rest;
}
#endif

}  // namespace

uint32_t crc32c_portable(const void* data, std::size_t bytes, uint32_t start) {
  const auto* at = static_cast<const unsigned char*>(data);
  uint32_t crc = ~start;
  for (; bytes >= 8; bytes -= 8, at += 8) {
    const uint32_t low = crc ^ (at[0] | at[1] << 8 | at[2] << 16 | static_cast<uint32_t>(at[3]) << 24);
    crc = kTables[7][low & 0xFF] ^ kTables[6][low >> 8 & 0xFF] ^ kTables[5][low >> 16 & 0xFF] ^ kTables[4][low >> 24] ^
          kTables[3][at[4]] ^ kTables[2][at[5]] ^ kTables[1][at[6]] ^ kTables[0][at[7]];
  }
  for (; bytes > 0; --bytes, ++at) crc = (crc >> 8) ^ kTables[0][(crc ^ *at) & 0xFF];
  return ~crc;
}

uint32_t crc32c(const void* data, std::size_t bytes, uint32_t crc) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("sse4.2")) return crc32c_sse42(data, bytes, crc);
#endif
  return crc32c_portable(data, bytes, crc);
}

}  // namespace bessemer::data
