#include "trainer/checkpoint_reader.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "parallel/error.h"
#include "trainer/files.h"
#include "trainer/manifest.h"
#include "trainer/stored_tensors.h"

namespace bessemer::trainer {
namespace {

struct Contents {
  Manifest manifest;
  std::vector<RankFile> ranks;
  StoredTensors tensors;
  int64_t bytes = 0;
};

// Collects instead of throwing, so that `ckpt verify` can name all that is wrong.
template <class Work>
void note_problems(std::vector<std::string>& problems, const Work& work) {
  try {
    work();
  } catch (const Error& error) {
    problems.emplace_back(error.what());
  }
}

RankFile read_rank_file(const std::string& directory, const FileRecord& record, const Manifest& manifest) {
  const std::string path = directory + "/" + record.name;
  BESSEMER_CHECK_DATA(exists(path), path, ": is missing");
  BESSEMER_CHECK_DATA(file_size(path) == record.size, path, ": has ", file_size(path), " bytes, expected ",
                      record.size);
  std::string text(static_cast<std::size_t>(record.size), '\0');
  VerifiedFiles(directory, {record}).read(0, 0, record.size, text.data(), "the rank file");
  RankFile rank = parse_rank_file(text, path);
  BESSEMER_CHECK_DATA(rank.save_id == manifest.save_id && rank.step == manifest.step, path, ": belongs to step ",
                      rank.step, " of save ", rank.save_id, ", not to step ", manifest.step, " of save ",
                      manifest.save_id);
  return rank;
}

void check_shard_size(const std::string& directory, const FileRecord& record) {
  const std::string path = directory + "/" + record.name;
  BESSEMER_CHECK_DATA(exists(path), path, ": is missing");
  BESSEMER_CHECK_DATA(file_size(path) == record.size, path, ": has ", file_size(path), " bytes, expected ",
                      record.size);
}

std::string tensors_in(const ShardInfo& shard, int64_t block) {
  std::string names;
  for (const StoredChunk& c : shard.chunks) {
    const int64_t end = c.offset + c.count * static_cast<int64_t>(sizeof(float));
    if (c.offset < (block + 1) * kBlockBytes && end > block * kBlockBytes && c.count > 0) names += " " + c.dataset;
  }
  return names.empty() ? " no tensor" : names;
}

void verify_shard(const std::string& directory, const ShardInfo& shard, std::vector<std::string>& problems) {
  const VerifiedFiles files(directory, {shard.file});
  for (int64_t block : files.bad_blocks(0)) {
    problems.push_back(concat(directory, "/", shard.file.name, ": block ", block, " (from byte ", block * kBlockBytes,
                              ") is not what was written (CRC32C); it holds", tensors_in(shard, block)));
  }
}

void check_strangers(const std::string& directory, const Contents& contents, std::vector<std::string>& problems) {
  std::set<std::string> known = {kManifestName};
  for (const FileRecord& record : contents.manifest.rank_files) known.insert(record.name);
  for (const RankFile& rank : contents.ranks) known.insert(rank.shard.file.name);
  for (const std::string& name : list_directory(directory)) {
    if (known.count(name) == 0) problems.push_back(directory + "/" + name + ": belongs to no part of this checkpoint");
  }
}

Contents load(const std::string& path, Verify verify, std::vector<std::string>& problems) {
  Contents contents;
  note_problems(problems, [&] { contents.manifest = read_manifest(path); });
  if (!problems.empty()) return contents;
  for (const FileRecord& record : contents.manifest.rank_files) {
    note_problems(problems, [&] { contents.ranks.push_back(read_rank_file(path, record, contents.manifest)); });
  }
  const bool complete = problems.empty();
  contents.bytes = file_size(path + "/" + kManifestName);
  for (const FileRecord& record : contents.manifest.rank_files) contents.bytes += record.size;
  for (const RankFile& rank : contents.ranks) {
    contents.bytes += rank.shard.file.size;
    const auto before = problems.size();
    note_problems(problems, [&] { check_shard_size(path, rank.shard.file); });
    if (verify == Verify::kAll && problems.size() == before) {
      note_problems(problems, [&] { verify_shard(path, rank.shard, problems); });
    }
  }
  if (complete) {
    note_problems(problems, [&] { contents.tensors = map_tensors(contents.ranks); });
    if (verify == Verify::kAll) check_strangers(path, contents, problems);
  }
  return contents;
}

std::vector<FileRecord> shards_of(const std::vector<RankFile>& ranks) {
  std::vector<FileRecord> records;
  for (const RankFile& rank : ranks) records.push_back(rank.shard.file);
  return records;
}

}  // namespace

struct CheckpointReader::State {
  State(std::string checkpoint_path, Contents loaded)
      : path(std::move(checkpoint_path)), contents(std::move(loaded)), shards(path, shards_of(contents.ranks)) {}
  const StoredTensor& tensor(const std::string& dataset) const {
    const auto found = contents.tensors.find(dataset);
    BESSEMER_CHECK_DATA(found != contents.tensors.end(), path, ": has no ", dataset);
    return found->second;
  }
  std::string path;
  Contents contents;
  VerifiedFiles shards;
};

CheckpointReader CheckpointReader::open(const std::string& path, Verify verify) {
  std::vector<std::string> problems;
  Contents contents = load(path, verify, problems);
  if (!problems.empty()) {
    const std::string more = problems.size() > 1 ? concat(" (and ", problems.size() - 1, " more)") : "";
    fail(ExitCode::kBadData, problems.front(), more);
  }
  return CheckpointReader(std::make_unique<State>(path, std::move(contents)));
}

CheckpointReader::CheckpointReader(std::unique_ptr<State> state) : state_(std::move(state)) {}
CheckpointReader::CheckpointReader(CheckpointReader&&) noexcept = default;
CheckpointReader& CheckpointReader::operator=(CheckpointReader&&) noexcept = default;
CheckpointReader::~CheckpointReader() = default;

const std::string& CheckpointReader::path() const { return state_->path; }
int64_t CheckpointReader::step() const { return state_->contents.manifest.step; }
const nlohmann::json& CheckpointReader::state() const { return state_->contents.manifest.state; }
const std::string& CheckpointReader::config() const { return state_->contents.manifest.config; }
const std::string& CheckpointReader::tokenizer() const { return state_->contents.manifest.tokenizer; }
double CheckpointReader::validation_loss() const { return state_->contents.manifest.validation_loss; }
int64_t CheckpointReader::bytes() const { return state_->contents.bytes; }

std::vector<std::string> CheckpointReader::datasets() const {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : state_->contents.tensors) names.push_back(name);
  return names;
}

bool CheckpointReader::has(const std::string& dataset) const { return state_->contents.tensors.count(dataset) != 0; }

const std::vector<int64_t>& CheckpointReader::shape(const std::string& dataset) const {
  return state_->tensor(dataset).shape;
}

void CheckpointReader::read(const std::string& dataset, int64_t dim, int64_t begin, int64_t end, int64_t first,
                            int64_t count, float* out) const {
  for_each_stretch(state_->tensor(dataset), dim, begin, end, first, count, [&](const Stretch& s) {
    state_->shards.read(s.file, s.offset, s.count * static_cast<int64_t>(sizeof(float)), out, dataset);
    out += s.count;
  });
}

void CheckpointReader::read(const std::string& dataset, float* out) const {
  const auto& sizes = shape(dataset);
  read(dataset, 0, 0, sizes.empty() ? 1 : sizes[0], 0, elements_of(sizes), out);
}

std::vector<std::string> verify_checkpoint(const std::string& path) {
  std::vector<std::string> problems;
  load(path, Verify::kAll, problems);
  return problems;
}

}  // namespace bessemer::trainer
