#include "trainer/publish.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <thread>

#include "parallel/error.h"
#include "trainer/files.h"
#include "trainer/run_directory.h"
#include "trainer/stored_tensors.h"

namespace bessemer::trainer {
namespace {

// A network file system may show what another host has written some seconds late.
void wait_for(const std::string& path) {
  for (int tries = 0; file_size(path) < 0 && tries < 50; ++tries) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  BESSEMER_CHECK_ENV(file_size(path) >= 0, path,
                     ": its rank has written it, but it is not seen here; does every host see the same file system?");
}

// "Rank 0 re-stats all": a file that another host wrote must be seen from here, whole, before it is named in a
// manifest. Rank files vouch for themselves, with a checksum that was taken from their writer's memory.
std::vector<FileRecord> check_records(const SavePlan& plan) {
  std::vector<FileRecord> records;
  std::vector<RankFile> ranks;
  for (const int rank : plan.writers) {
    const std::string name = rank_file_name(rank), path = plan.temporary() + "/" + name;
    wait_for(path);
    const std::string text = read_text(path);
    records.push_back(record_of(name, text));
    ranks.push_back(parse_rank_file(text, path));
    const RankFile& file = ranks.back();
    BESSEMER_CHECK_ENV(file.save_id == plan.save_id && file.run_id == plan.run_id && file.rank == rank, path,
                       ": is not of this save");
    const std::string shard = plan.temporary() + "/" + file.shard.file.name;
    wait_for(shard);
    BESSEMER_CHECK_ENV(file_size(shard) == file.shard.file.size, shard,
                       ": is not what its rank wrote; does every host see the same file system?");
  }
  map_tensors(ranks);
  return records;
}

void check_read_back(const std::string& directory, const FileRecord& shard) {
  const VerifiedFiles files(std::make_shared<const Directory>(directory), {shard});
  const auto bad = files.bad_blocks(0, /*from_disk=*/true);
  BESSEMER_CHECK_ENV(bad.empty(), directory, "/", shard.name, ": block ", bad.empty() ? 0 : bad.front(), " of ",
                     shard.crc32c.size(), " reads back other than it was written; the disk, or the memory, is failing");
}

}  // namespace

std::string SavePlan::temporary() const { return run_path + "/.tmp-" + RunDirectory::step_name(step) + "-" + save_id; }

void write_rank(const SavePlan& plan, int rank, std::span<const Chunk> chunks, bool read_back, const Reached& reached) {
  const auto place = std::lower_bound(plan.writers.begin(), plan.writers.end(), rank) - plan.writers.begin();
  const std::string directory = plan.temporary();
  reached("make temporary directory");
  make_directories(directory);
  RankFile file{plan.run_id, plan.save_id, plan.step, rank, {}};
  file.shard = write_shard(directory, shard_name(static_cast<int>(place), static_cast<int>(plan.writers.size())),
                           origin_text(plan.run_id, plan.save_id, plan.step, rank), chunks, reached);
  reached("read back");
  if (read_back) check_read_back(directory, file.shard.file);
  reached("write rank file");
  write_text_synced(directory + "/" + rank_file_name(rank), to_text(file));
}

std::string publish(const SavePlan& plan, Manifest manifest, const Reached& reached) {
  const std::string temporary = plan.temporary();
  reached("check records");
  manifest.run_id = plan.run_id, manifest.save_id = plan.save_id, manifest.step = plan.step;
  manifest.rank_files = check_records(plan);
  reached("sync files' names");
  sync_directory(temporary);
  reached("write manifest");
  write_text_atomically(temporary + "/" + kManifestName, to_text(manifest));
  const std::string path = plan.run_path + "/" + RunDirectory::step_name(plan.step);
  reached("rename");
  const bool replaces = exists(path);  // an older save of this step, perhaps a broken one
  if (replaces) {
    exchange_paths(temporary, path);
  } else {
    rename_path(temporary, path);
  }
  reached("sync parent");
  sync_directory(plan.run_path);
  reached("remove replaced");
  try {
    if (replaces) remove_tree(temporary);
  } catch (const Error&) {  // the next start removes it; this checkpoint is there
  }
  return path;
}

void abandon(const SavePlan& plan) noexcept {
  if (plan.save_id.empty()) return;
  try {
    // After the exchange the checkpoint that was replaced is there: perhaps the one that a power cut brings back.
    const std::string manifest = plan.temporary() + "/" + kManifestName;
    if (exists(manifest) && parse_manifest(read_text(manifest), manifest).save_id != plan.save_id) return;
    remove_tree(plan.temporary());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "a failed checkpoint stays until the next start: %s\n", error.what());
  }
}

}  // namespace bessemer::trainer
