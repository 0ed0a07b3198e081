#pragma once
#include <optional>
#include <string>

namespace bessemer::data {

/// Digest of a file in lower-case hexadecimal; nothing for an algorithm that we do not have.
/// \param algorithm  as Python's hashlib and xxhash call it: sha256, xxh32, xxh64, xxh3_64, xxh128, xxh3_128.
std::optional<std::string> hash_of_file(const std::string& path, const std::string& algorithm);

}  // namespace bessemer::data
