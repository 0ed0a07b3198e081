#include "trainer/checkpoint.h"

#include <chrono>
#include <optional>

#include "parallel/error.h"
#include "parallel/group.h"
#include "trainer/publish.h"

namespace bessemer::trainer {
namespace {

using nlohmann::json;
using parallel::Group;

// Runs `work` here and tells all ranks how it went: every rank returns, or every rank throws the same Error.
void agree(const Group& world, const std::function<void()>& work) {
  std::string problem;
  try {
    work();
  } catch (const std::exception& error) {
    problem = concat("rank ", world.rank(), ": ", error.what());
  }
  int failed = 0;
  std::string first;
  for (const std::string& text : world.all_gather(problem)) {
    if (!text.empty() && failed++ == 0) first = text;
  }
  const std::string others = failed > 1 ? concat(" (and ", failed - 1, " other ranks)") : "";
  if (failed > 0) fail(ExitCode::kCheckpointFailed, "the checkpoint was not saved: ", first, others);
}

SavePlan share(SavePlan plan, const Group& world) {
  const json mine = {{"run", plan.run_path},
                     {"temporary", plan.temporary},
                     {"save_id", plan.save_id},
                     {"step", plan.step},
                     {"writers", plan.writers}};
  const json j = json::parse(world.broadcast(mine.dump(), 0));
  return {j["run"], j["temporary"], j["save_id"], j["step"], j["writers"]};
}

struct Writers {
  int count = 0;
  int ours = -1;  // our number among them
};

Writers count_writers(bool writes, const Group& world) {
  Writers writers;
  const auto all = world.all_gather(std::string(writes ? "w" : ""));
  for (int rank = 0; rank < world.size(); ++rank) {
    if (all[static_cast<std::size_t>(rank)].empty()) continue;
    if (rank == world.rank()) writers.ours = writers.count;
    ++writers.count;
  }
  return writers;
}

Manifest make_manifest(const CheckpointContent& content, const SavePlan& plan,
                       const std::vector<std::string>& records) {
  Manifest manifest{plan.save_id,  content.step,   content.validation_loss, {},
                    content.state, content.config, content.tokenizer};
  for (const std::string& record : records) {
    if (record.empty()) continue;
    const json j = json::parse(record);
    manifest.rank_files.push_back({j[0], j[1], j[2].get<std::vector<uint32_t>>()});
  }
  return manifest;
}

int64_t bytes_of(const std::vector<Chunk>& chunks) {
  int64_t bytes = 0;
  for (const Chunk& chunk : chunks) bytes += chunk.count * static_cast<int64_t>(sizeof(float));
  return bytes;
}

}  // namespace

SavedCheckpoint save_checkpoint(const RunDirectory& run, const CheckpointContent& content, const Group& world) {
  const auto start = std::chrono::steady_clock::now();
  const Reached reached = content.reached ? content.reached : [](std::string_view) {};
  const bool speaks = world.rank() == 0;
  const Writers writers = count_writers(!content.chunks.empty(), world);
  SavedCheckpoint saved;
  saved.bytes = world.all_reduce(bytes_of(content.chunks), parallel::ReduceOp::kSum);
  SavePlan plan;
  try {
    agree(world, [&] {
      if (speaks) plan = begin_save(run.path(), content.step, writers.count, saved.bytes, reached);
    });
    plan = share(plan, world);
    std::string record;  // of our rank file
    agree(world, [&] {
      if (writers.ours < 0) return;
      const FileRecord r = write_rank(plan, world.rank(), writers.ours, content.chunks, reached);
      record = json::array({r.name, r.size, r.crc32c}).dump();
    });
    const auto records = world.all_gather(record);
    agree(world, [&] {
      if (speaks) saved.path = publish(plan, make_manifest(content, plan, records), reached);
    });
  } catch (const Error&) {
    if (speaks) abandon(plan);
    throw;
  }
  reached("retention");
  if (speaks) saved.warnings = apply_retention(run.path(), content.keep);
  saved.path = world.broadcast(saved.path, 0);
  saved.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return saved;
}

}  // namespace bessemer::trainer
