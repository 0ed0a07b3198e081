#include "parallel/random.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "parallel/philox.h"

// Every result is exact integer arithmetic or single IEEE operations that no compiler here fuses (-std=c++20 does not
// contract), so that all instruction sets give the same bits.
namespace bessemer::parallel {
namespace {

constexpr int kCounters = 64;          // Philox calls per block
constexpr int kBlock = 4 * kCounters;  // elements per block; element i is word i % 4 of counter i / 4

#define BESSEMER_INLINE inline __attribute__((always_inline))  // into each clone

using Words = uint32_t[4][kCounters];

BESSEMER_INLINE void block_words(uint64_t key, uint64_t counter, Words& words) {
  const auto k0 = static_cast<uint32_t>(key);
  const auto k1 = static_cast<uint32_t>(key >> 32);
  const auto high =
      static_cast<uint32_t>(counter >> 32);  // blocks are aligned: 64 counters never cross a multiple of 2^32
  const auto low = static_cast<uint32_t>(counter);
  for (int i = 0; i < kCounters; ++i) {
    uint32_t c0 = low + static_cast<uint32_t>(i), c1 = high, c2 = 0, c3 = 0;
    philox_rounds(c0, c1, c2, c3, k0, k1);
    words[0][i] = c0, words[1][i] = c1, words[2][i] = c2, words[3][i] = c3;
  }
}

// Natural logarithm of x in (0, 1], normal. Source: Cephes logf (error below 1 ulp there).
BESSEMER_INLINE float log_of(float x) {
  const auto bits = std::bit_cast<int32_t>(x) - 0x3f3504f3;  // sqrt(1/2): mantissa into [sqrt(1/2), sqrt(2))
  const auto e = static_cast<float>(bits >> 23);
  const float m = std::bit_cast<float>((bits & 0x007fffff) + 0x3f3504f3) - 1.0f;
  float p = 7.0376836292e-2f;
  p = p * m - 1.1514610310e-1f;
  p = p * m + 1.1676998740e-1f;
  p = p * m - 1.2420140846e-1f;
  p = p * m + 1.4249322787e-1f;
  p = p * m - 1.6668057665e-1f;
  p = p * m + 2.0000714765e-1f;
  p = p * m - 2.4999993993e-1f;
  p = p * m + 3.3333331174e-1f;
  const float z = m * m;
  float y = m * z * p;
  y = y + e * -2.12194440e-4f;
  y = y - 0.5f * z;
  return (m + y) + e * 0.693359375f;
}

// Two normal deviates from two words: Box and Muller 1958.
BESSEMER_INLINE void normal_pair(uint32_t a, uint32_t b, float std, float& x, float& y) {
  const float u = static_cast<float>(static_cast<int32_t>((a >> 1) | 1u)) * 0x1p-31f;  // (0, 1]: deviates up to 6.6
  const float radius = std * std::sqrt(-2.0f * log_of(u));
  const auto turn = static_cast<int32_t>(b);                  // a full turn is 2^32
  const int32_t quarter = (turn >> 30) + ((turn >> 29) & 1);  // nearest quarter turn, -2 ... 2
  const auto rest = static_cast<int32_t>(static_cast<uint32_t>(turn) - (static_cast<uint32_t>(quarter) << 30));
  const float t = static_cast<float>(rest) * 1.46291807926715968e-9f;  // 2 pi / 2^32: radians in [-pi/4, pi/4]
  const float z = t * t;
  // Source: Cephes sinf, cosf.
  const float sine = ((-1.9515295891e-4f * z + 8.3321608736e-3f) * z - 1.6666654611e-1f) * z * t + t;
  const float cosine =
      ((2.443315711809948e-5f * z - 1.388731625493765e-3f) * z + 4.166664568298827e-2f) * z * z - 0.5f * z + 1.0f;
  const bool swap = (quarter & 1) != 0;
  const auto s = std::bit_cast<uint32_t>(swap ? cosine : sine) ^ (static_cast<uint32_t>(quarter & 2) << 30);
  const auto c = std::bit_cast<uint32_t>(swap ? sine : cosine) ^ (static_cast<uint32_t>((quarter + 1) & 2) << 30);
  x = radius * std::bit_cast<float>(c);
  y = radius * std::bit_cast<float>(s);
}

BESSEMER_CLONES void normal_block(uint64_t key, uint64_t counter, float std, float* out) {
  Words words;
  block_words(key, counter, words);
  float z[4][kCounters];
  for (int i = 0; i < kCounters; ++i) normal_pair(words[0][i], words[1][i], std, z[0][i], z[1][i]);
  for (int i = 0; i < kCounters; ++i) normal_pair(words[2][i], words[3][i], std, z[2][i], z[3][i]);
  for (int i = 0; i < kCounters; ++i) {
    for (int w = 0; w < 4; ++w) out[4 * i + w] = z[w][i];
  }
}

BESSEMER_CLONES void uniform_block(uint64_t key, uint64_t counter, float* out) {
  Words words;
  block_words(key, counter, words);
  for (int i = 0; i < kCounters; ++i) {
    for (int w = 0; w < 4; ++w) out[4 * i + w] = static_cast<float>(static_cast<int32_t>(words[w][i] >> 8)) * 0x1p-24f;
  }
}

BESSEMER_CLONES void keep_block(uint64_t key, uint64_t counter, uint32_t least, uint8_t* out) {
  Words words;
  block_words(key, counter, words);
  for (int i = 0; i < kCounters; ++i) {
    for (int w = 0; w < 4; ++w) out[4 * i + w] = words[w][i] >= least ? 1 : 0;
  }
}

// Calls block(counter, out) for the aligned blocks that cover elements [begin, begin + out.size()); the first and the
// last go through a buffer where they stick out.
template <class T, class Block>
void over_blocks(uint64_t begin, std::span<T> out, Block block) {
  std::size_t done = 0;
  while (done < out.size()) {
    const uint64_t at = begin + done;
    const uint64_t skip = at % kBlock;
    const uint64_t counter = (at - skip) / 4;
    const std::size_t n = std::min<std::size_t>(kBlock - skip, out.size() - done);
    if (n == kBlock) {
      block(counter, out.data() + done);
    } else {
      T buffer[kBlock];
      block(counter, buffer);
      std::memcpy(out.data() + done, buffer + skip, n * sizeof(T));
    }
    done += n;
  }
}

uint64_t low_words(const std::array<uint32_t, 4>& words) { return words[0] | (static_cast<uint64_t>(words[1]) << 32); }

std::array<uint32_t, 2> as_key(uint64_t key) { return {static_cast<uint32_t>(key), static_cast<uint32_t>(key >> 32)}; }

// Source: Steele, Lea, Flood 2014, the finalizer of SplitMix64.
uint64_t mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

}  // namespace

std::array<uint32_t, 4> philox(std::array<uint32_t, 4> c, std::array<uint32_t, 2> key) {
  philox_rounds(c[0], c[1], c[2], c[3], key[0], key[1]);
  return c;
}

uint64_t stream_key(uint64_t seed, std::string_view purpose) {
  uint64_t hash = 0xCBF29CE484222325u;  // FNV-1a
  for (const char c : purpose) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3u;
  const auto length = static_cast<uint32_t>(purpose.size());
  return low_words(philox({static_cast<uint32_t>(hash), static_cast<uint32_t>(hash >> 32), length, 1}, as_key(seed)));
}

uint64_t stream_key(uint64_t seed, std::string_view purpose, uint64_t index) {
  const auto key = as_key(stream_key(seed, purpose));
  return low_words(philox({static_cast<uint32_t>(index), static_cast<uint32_t>(index >> 32), 0, 2}, key));
}

void fill_normal(uint64_t key, uint64_t begin, float std, std::span<float> out) {
  over_blocks(begin, out, [&](uint64_t counter, float* at) { normal_block(key, counter, std, at); });
}

void fill_uniform(uint64_t key, uint64_t begin, std::span<float> out) {
  over_blocks(begin, out, [&](uint64_t counter, float* at) { uniform_block(key, counter, at); });
}

void fill_keep_mask(uint64_t key, uint64_t begin, float p, std::span<uint8_t> out) {
  if (p >= 1.0f) {
    std::fill(out.begin(), out.end(), uint8_t{0});
    return;
  }
  const uint32_t least = least_kept(p);
  over_blocks(begin, out, [&](uint64_t counter, uint8_t* at) { keep_block(key, counter, least, at); });
}

uint64_t permute(uint64_t key, uint64_t n, uint64_t index) {
  if (n <= 1) return 0;
  const int half = (std::bit_width(n - 1) + 1) / 2;  // the network permutes [0, 4^half), at most 4 n
  const uint64_t mask = (uint64_t{1} << half) - 1;
  uint64_t x = index;
  do {
    uint64_t left = x >> half, right = x & mask;
    for (uint64_t round = 0; round < 8; ++round) {
      const uint64_t next = left ^ (mix(mix(key + round * 0x9E3779B97F4A7C15u) ^ right) & mask);
      left = right, right = next;
    }
    x = (left << half) | right;
  } while (x >= n);  // cycle walking: a permutation of the larger set, followed until it is back in [0, n)
  return x;
}

}  // namespace bessemer::parallel
