#pragma once
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "trainer/shard_file.h"

namespace bessemer::trainer {

/// manifest.json: what one checkpoint is. It names and checksums the rank files, which name and checksum the shards;
/// its own checksum covers all of its other bytes.
struct Manifest {
  std::string save_id;  ///< the same in every file of one save
  int64_t step = 0;
  double validation_loss = 0;  ///< nan: none
  std::vector<FileRecord> rank_files;
  nlohmann::json state;
  std::string config;
  std::string tokenizer;
};

std::string to_text(const Manifest& manifest);
/// Error (65) naming `path`: not a manifest, another version, or not as it was written.
Manifest parse_manifest(const std::string& text, const std::string& path);
Manifest read_manifest(const std::string& checkpoint_path);

/// rank-%05d.json: the shard that one rank wrote.
struct RankFile {
  std::string save_id;
  int64_t step = 0;
  int rank = 0;
  ShardInfo shard;
};

std::string to_text(const RankFile& rank);
RankFile parse_rank_file(const std::string& text, const std::string& path);

std::string rank_file_name(int rank);             ///< "rank-00003.json"
std::string shard_name(int writer, int writers);  ///< "shard-00003-of-00008.h5"
inline constexpr const char* kManifestName = "manifest.json";

}  // namespace bessemer::trainer
