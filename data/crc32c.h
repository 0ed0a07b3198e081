#pragma once
#include <cstddef>
#include <cstdint>

namespace bessemer::data {

/// CRC32C (Castagnoli, as iSCSI, RFC 3720 B.4) of `bytes` bytes, by the processor's instruction where it has one.
/// Incremental: crc32c(b, nb, crc32c(a, na)) is the checksum of a followed by b; 0 starts.
uint32_t crc32c(const void* data, std::size_t bytes, uint32_t crc = 0);
/// The same by tables, on any processor.
uint32_t crc32c_portable(const void* data, std::size_t bytes, uint32_t crc = 0);

}  // namespace bessemer::data
