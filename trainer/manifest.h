#pragma once
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "trainer/shard_file.h"

namespace bessemer::trainer {

// The texts of a checkpoint, format version 2. Each begins with the CRC32C of all its other bytes, so that a rank file
// vouches for itself until the manifest does. Version 1 (no run id, no environment, rank files without a checksum of
// their own) is read, too.

/// manifest.json: what one checkpoint is. It names and checksums the rank files, which name and checksum the shards.
struct Manifest {
  std::string run_id;   ///< of the run that saved it; "" in version 1
  std::string save_id;  ///< the same in every file of one save
  int64_t step = 0;
  double validation_loss = 0;  ///< nan: none
  bool read_back = false;      ///< each writer has read its shard back from disk and found it as written
  std::vector<FileRecord> rank_files;
  nlohmann::json state;
  nlohmann::json environment;  ///< what it was saved by and on: program, libraries, processor, threads
  std::string config;
  std::string tokenizer;
};

std::string to_text(const Manifest& manifest);
/// Error (65) naming `path`: not a manifest, a later version (its writer is named), or not as it was written.
Manifest parse_manifest(const std::string& text, const std::string& path);
/// The manifest as it stands in the checkpoint's directory. Error (65) where there is none.
std::string manifest_text(const Directory& checkpoint);
Manifest read_manifest(const Directory& checkpoint);

/// rank-%05d.json: the shard that one rank wrote.
struct RankFile {
  std::string run_id;
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
