#pragma once
#include <cstdint>

#ifdef __CUDACC__
#define BESSEMER_EVERYWHERE __host__ __device__ __forceinline__
#else
#define BESSEMER_EVERYWHERE inline __attribute__((always_inline))  // into each clone
#endif

namespace bessemer::parallel {

/// The ten rounds of Philox4x32-10 (Salmon et al. 2011), on the host and in CUDA kernels: c0 ... c3 become the words of
/// the counter they held.
BESSEMER_EVERYWHERE void philox_rounds(uint32_t& c0, uint32_t& c1, uint32_t& c2, uint32_t& c3, uint32_t k0,
                                       uint32_t k1) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = uint64_t{0xD2511F53u} * c0;
    const uint64_t b = uint64_t{0xCD9E8D57u} * c2;
    const uint32_t next0 = static_cast<uint32_t>(b >> 32) ^ c1 ^ k0;
    const uint32_t next2 = static_cast<uint32_t>(a >> 32) ^ c3 ^ k1;
    c1 = static_cast<uint32_t>(b), c3 = static_cast<uint32_t>(a);
    c0 = next0, c2 = next2;
    k0 += 0x9E3779B9u, k1 += 0xBB67AE85u;
  }
}

/// An element of a dropout mask is kept where its word is at least this; p < 1.
BESSEMER_EVERYWHERE uint32_t least_kept(float p) {
  const double share = p < 0 ? 0.0 : static_cast<double>(p);
  const double least = share * 4294967296.0;
  return static_cast<uint32_t>(least < 4294967295.0 ? least : 4294967295.0);
}

}  // namespace bessemer::parallel
