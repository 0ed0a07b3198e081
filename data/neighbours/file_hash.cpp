#include "data/neighbours/file_hash.h"

#define XXH_INLINE_ALL
#include <fmt/format.h>
#include <xxhash.h>

#include <vector>

#include "data/file.h"

namespace bessemer::data {
namespace {

/// All pieces of a file go to `update`.
template <class Update>
void for_each_piece(const std::string& path, const Update& update) {
  FileDescriptor file(path, FileDescriptor::Mode::kRead);
  std::vector<char> piece(1 << 20);
  while (const std::size_t n = file.read(piece.data(), piece.size())) update(piece.data(), n);
}

std::string xxh32(const std::string& path) {
  XXH32_state_t state;
  XXH32_reset(&state, 0);
  for_each_piece(path, [&](const char* data, std::size_t n) { XXH32_update(&state, data, n); });
  return fmt::format("{:08x}", XXH32_digest(&state));
}

std::string xxh64(const std::string& path) {
  XXH64_state_t state;
  XXH64_reset(&state, 0);
  for_each_piece(path, [&](const char* data, std::size_t n) { XXH64_update(&state, data, n); });
  return fmt::format("{:016x}", XXH64_digest(&state));
}

std::string xxh3(const std::string& path, bool wide) {
  XXH3_state_t state;
  XXH3_128bits_reset(&state);  // as for 64 bits
  for_each_piece(path, [&](const char* data, std::size_t n) { XXH3_128bits_update(&state, data, n); });
  if (!wide) return fmt::format("{:016x}", XXH3_64bits_digest(&state));
  const XXH128_hash_t hash = XXH3_128bits_digest(&state);
  return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

}  // namespace

std::optional<std::string> hash_of_file(const std::string& path, const std::string& algorithm) {
  if (algorithm == "sha256") return sha256_of_file(path);
  if (algorithm == "xxh32") return xxh32(path);
  if (algorithm == "xxh64") return xxh64(path);
  if (algorithm == "xxh3_64") return xxh3(path, false);
  if (algorithm == "xxh128" || algorithm == "xxh3_128") return xxh3(path, true);
  return std::nullopt;
}

}  // namespace bessemer::data
