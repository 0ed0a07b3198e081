#include "trainer/publish.h"

#include <cstdio>
#include <vector>

#include "parallel/error.h"
#include "trainer/files.h"
#include "trainer/run_directory.h"
#include "trainer/stored_tensors.h"

namespace bessemer::trainer {
namespace {

// HDF5's headers, rank files and the manifest: a few hundred bytes a tensor.
constexpr int64_t kRoomForNames = 64 << 10;

// "Rank 0 re-stats all": a file that another host wrote must be seen from here, whole, before it is named in a
// manifest.
void check_records(const SavePlan& plan, const Manifest& manifest) {
  std::vector<RankFile> ranks;
  for (const FileRecord& record : manifest.rank_files) {
    const std::string path = plan.temporary + "/" + record.name;
    const std::string text = read_text(path);
    const FileRecord found = record_of(record.name, text);
    BESSEMER_CHECK_ENV(found.size == record.size && found.crc32c == record.crc32c, path,
                       ": is not what its rank wrote; does every host see the same file system?");
    ranks.push_back(parse_rank_file(text, path));
    const FileRecord& shard = ranks.back().shard.file;
    BESSEMER_CHECK_ENV(file_size(plan.temporary + "/" + shard.name) == shard.size, plan.temporary, "/", shard.name,
                       ": is not what its rank wrote; does every host see the same file system?");
  }
  map_tensors(ranks);
}

}  // namespace

SavePlan begin_save(const std::string& run_path, int64_t step, int writers, int64_t bytes, const Reached& reached) {
  const int64_t room = free_bytes(run_path);
  BESSEMER_CHECK_ENV(room - kRoomForNames >= bytes, run_path, ": has room for ", room, " bytes, the checkpoint needs ",
                     bytes);
  SavePlan plan;
  plan.run_path = run_path;
  plan.save_id = random_hex();
  plan.temporary = run_path + "/.tmp-" + RunDirectory::step_name(step) + "-" + plan.save_id;
  plan.step = step;
  plan.writers = writers;
  reached("make temporary directory");
  make_directories(plan.temporary);
  return plan;
}

FileRecord write_rank(const SavePlan& plan, int rank, int writer, std::span<const Chunk> chunks,
                      const Reached& reached) {
  RankFile file{plan.save_id, plan.step, rank, {}};
  file.shard = write_shard(plan.temporary, shard_name(writer, plan.writers), chunks, reached);
  const std::string text = to_text(file);
  reached("write rank file");
  write_text_synced(plan.temporary + "/" + rank_file_name(rank), text);
  return record_of(rank_file_name(rank), text);
}

std::string publish(const SavePlan& plan, const Manifest& manifest, const Reached& reached) {
  reached("check records");
  check_records(plan, manifest);
  reached("sync files' names");
  sync_directory(plan.temporary);
  reached("write manifest");
  write_text_atomically(plan.temporary + "/" + kManifestName, to_text(manifest));
  const std::string path = plan.run_path + "/" + RunDirectory::step_name(plan.step);
  reached("rename");
  if (exists(path)) {  // an older save of this step, perhaps a broken one
    exchange_paths(plan.temporary, path);
  } else {
    rename_path(plan.temporary, path);
  }
  reached("sync parent");
  sync_directory(plan.run_path);
  reached("remove replaced");
  remove_tree(plan.temporary);
  return path;
}

void abandon(const SavePlan& plan) noexcept {
  if (plan.temporary.empty()) return;
  try {
    remove_tree(plan.temporary);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "a failed checkpoint stays until the next start: %s\n", error.what());
  }
}

}  // namespace bessemer::trainer
