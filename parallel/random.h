#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <string_view>

namespace bessemer::parallel {

/// Random streams without state: a number is a function of (seed, purpose, index), so that every rank can compute just
/// its slice and get the bits that any other layout gets. Source: Salmon et al. 2011, Philox4x32-10.
std::array<uint32_t, 4> philox(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key);

/// A key for one use, from the run's seed and a name ("init/h.0.attention.q.weight", "dropout/3/residual/120").
uint64_t stream_key(uint64_t seed, std::string_view purpose);
uint64_t stream_key(uint64_t seed, std::string_view purpose,
                    uint64_t index);  ///< the same with a number instead of text

/// Normal deviates `begin ... begin + out.size()` of the stream: mean 0, standard deviation `std`. Box-Muller on
/// Philox.
void fill_normal(uint64_t key, uint64_t begin, float std, std::span<float> out);
/// Uniform deviates in [0, 1) likewise: element i depends on (key, begin + i) only.
void fill_uniform(uint64_t key, uint64_t begin, std::span<float> out);
/// Dropout masks: out[i] = 1 if element begin + i is kept, with probability 1 - p, else 0.
void fill_keep_mask(uint64_t key, uint64_t begin, float p, std::span<uint8_t> out);

/// A permutation of [0, n) as a function: a Feistel network with cycle walking. permute(key, n, .) is a bijection.
uint64_t permute(uint64_t key, uint64_t n, uint64_t index);

}  // namespace bessemer::parallel
