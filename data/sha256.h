#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace bessemer::data {

/// SHA-256 (FIPS 180-4), incremental, by the processor's SHA instructions where it has them.
class Sha256 {
 public:
  Sha256() : Sha256(processor_has_sha()) {}
  explicit Sha256(bool use_instructions) : use_instructions_(use_instructions) {}
  void update(const void* data, std::size_t bytes);
  void update(std::string_view text) { update(text.data(), text.size()); }
  std::string hex() const;  ///< of everything so far: 64 lower-case digits

  static bool processor_has_sha();

 private:
  void blocks(const unsigned char* data, std::size_t count);
  bool use_instructions_;
  std::array<uint32_t, 8> state_{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  uint64_t bytes_ = 0;
  std::array<unsigned char, 64> rest_{};  ///< the bytes_ % 64 bytes that fill no block yet
};

std::string sha256(std::string_view text);

}  // namespace bessemer::data
