#include "trainer/checkpoint_reader.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "data/crc32c.h"
#include "parallel/error.h"
#include "trainer/files.h"
#include "trainer/manifest.h"
#include "trainer/stored_tensors.h"

namespace bessemer::trainer {
namespace {

constexpr std::string_view kWeights = "params/";

struct Contents {
  std::shared_ptr<const Directory> directory;
  Manifest manifest;
  uint32_t fingerprint = 0;
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

void check_size(const Directory& directory, const FileRecord& record) {
  const int64_t size = directory.size(record.name);
  BESSEMER_CHECK_DATA(size >= 0, directory.file(record.name), ": is missing");
  BESSEMER_CHECK_DATA(size == record.size, directory.file(record.name), ": has ", size, " bytes, expected ",
                      record.size);
}

// A rank file that its own checksum says is whole, but of another save: "changed" would send people looking for bad
// disks.
void refuse_foreign(const RankFile& rank, const std::string& path, const Manifest& manifest) {
  BESSEMER_CHECK_DATA(rank.save_id == manifest.save_id && rank.step == manifest.step && rank.run_id == manifest.run_id,
                      path, ": is foreign: of step ", rank.step, " of run ", rank.run_id, " (save ", rank.save_id,
                      "), not of step ", manifest.step, " of run ", manifest.run_id, " (save ", manifest.save_id, ")");
}

// A manifest whose rank files are all whole, and all of one other save, is the stranger among them: "" where it is not.
std::string foreign_manifest(const Directory& directory, const Manifest& manifest) try {
  std::set<std::string> saves;
  for (const FileRecord& record : manifest.rank_files) {
    const RankFile rank = parse_rank_file(directory.read_text(record.name), directory.file(record.name));
    if (rank.save_id == manifest.save_id) return "";
    saves.insert(concat("step ", rank.step, " of run ", rank.run_id, " (save ", rank.save_id, ")"));
  }
  if (saves.size() != 1) return "";
  return concat(directory.file(kManifestName), ": is foreign: of step ", manifest.step, " of run ", manifest.run_id,
                " (save ", manifest.save_id, "), and its ", manifest.rank_files.size(), " rank files, ",
                manifest.rank_files.front().name, " first, are of ", *saves.begin());
} catch (const Error&) {
  return "";
}

RankFile read_rank_file(const std::shared_ptr<const Directory>& directory, const FileRecord& record,
                        const Manifest& manifest) {
  const std::string path = directory->file(record.name);
  BESSEMER_CHECK_DATA(directory->size(record.name) >= 0, path, ": is missing");
  const std::string found = directory->read_text(record.name);
  const FileRecord now = record_of(record.name, found);
  if (now.size != record.size || now.crc32c != record.crc32c) {
    RankFile other;
    std::vector<std::string> broken;
    note_problems(broken, [&] { other = parse_rank_file(found, path); });
    if (broken.empty()) refuse_foreign(other, path, manifest);
    fail(ExitCode::kBadData, path, ": is not what was written (CRC32C; ", now.size, " bytes, expected ", record.size,
         "); restore the file or resume from another checkpoint");
  }
  RankFile rank = parse_rank_file(found, path);
  refuse_foreign(rank, path, manifest);
  return rank;
}

std::string tensors_in(const ShardInfo& shard, int64_t block) {
  constexpr int kNamed = 6;
  std::string names;
  int count = 0;
  for (const StoredChunk& c : shard.chunks) {
    const int64_t end = c.offset + c.count * static_cast<int64_t>(sizeof(float));
    const bool inside = c.offset < (block + 1) * kBlockBytes && end > block * kBlockBytes && c.count > 0;
    if (inside && ++count <= kNamed) names += " " + c.dataset;
  }
  if (count > kNamed) names += concat(" and ", count - kNamed, " more");
  return names.empty() ? " no tensor" : names;
}

// The origin that a shard carries near its beginning or end, if it can be read there and is another than it should be.
std::string foreign_origin(const Directory& directory, const std::string& name, const std::string& expected) {
  constexpr int64_t kNear = 1 << 20;
  const Descriptor file = directory.open(name);
  const int64_t size = directory.size(name);
  for (const int64_t begin : {int64_t{0}, std::max<int64_t>(0, size - kNear)}) {
    std::string part(static_cast<std::size_t>(kNear), '\0');
    part.resize(static_cast<std::size_t>(read_at(file, directory.file(name), begin, part.data(), kNear)));
    const auto at = part.find(kOrigin);
    if (at == std::string::npos) continue;
    std::string origin = part.substr(at, std::min(part.find('\0', at), at + 200) - at);
    for (char& c : origin) c = c >= ' ' && c <= '~' ? c : '?';  // it may be the damage
    return origin == expected ? "" : "; it is foreign: " + origin;
  }
  return "";
}

void verify_shard(const Contents& contents, const RankFile& rank, std::vector<std::string>& problems) {
  const ShardInfo& shard = rank.shard;
  const Directory& directory = *contents.directory;
  const VerifiedFiles files(contents.directory, {shard.file});
  const auto bad = files.bad_blocks(0);
  if (bad.empty()) return;
  const auto& m = contents.manifest;
  const std::string foreign =
      foreign_origin(directory, shard.file.name, origin_text(m.run_id, m.save_id, m.step, rank.rank));
  for (int64_t block : bad) {
    problems.push_back(concat(directory.file(shard.file.name), ": block ", block, " (from byte ", block * kBlockBytes,
                              ") is not what was written (CRC32C); it holds", tensors_in(shard, block), foreign));
  }
}

std::vector<std::string> strangers(const Contents& contents) {
  std::set<std::string> known = {kManifestName};
  for (const FileRecord& record : contents.manifest.rank_files) known.insert(record.name);
  for (const RankFile& rank : contents.ranks) known.insert(rank.shard.file.name);
  std::vector<std::string> extra;
  for (const std::string& name : list_directory(contents.directory->path())) {
    if (known.count(name) == 0)
      extra.push_back(contents.directory->file(name) + ": belongs to no part of this checkpoint");
  }
  return extra;
}

void read_texts(Contents& contents, const std::string& path, std::vector<std::string>& problems) {
  note_problems(problems, [&] {
    BESSEMER_CHECK_DATA(exists(path), path, ": there is no such checkpoint");
    contents.directory = std::make_shared<const Directory>(path);
    const std::string text = manifest_text(*contents.directory);
    contents.manifest = parse_manifest(text, contents.directory->file(kManifestName));
    contents.fingerprint = data::crc32c(text.data(), text.size());
    contents.bytes = static_cast<int64_t>(text.size());
  });
  if (!problems.empty()) return;
  for (const FileRecord& record : contents.manifest.rank_files) {
    contents.bytes += record.size;
    note_problems(problems,
                  [&] { contents.ranks.push_back(read_rank_file(contents.directory, record, contents.manifest)); });
  }
  if (problems.empty() || !contents.ranks.empty()) return;
  const std::string foreign = foreign_manifest(*contents.directory, contents.manifest);
  if (!foreign.empty()) problems = {foreign};
}

struct Share {
  int ours = 0;
  int of = 0;  // 0: no block is read
};

Contents load(const std::string& path, const Share& share, std::vector<std::string>& problems) {
  Contents contents;
  read_texts(contents, path, problems);
  const bool complete = problems.empty();
  for (std::size_t i = 0; i < contents.ranks.size(); ++i) {
    const RankFile& rank = contents.ranks[i];
    contents.bytes += rank.shard.file.size;
    const auto before = problems.size();
    note_problems(problems, [&] { check_size(*contents.directory, rank.shard.file); });
    const bool mine = share.of > 0 && static_cast<int>(i % static_cast<std::size_t>(share.of)) == share.ours;
    if (mine && problems.size() == before) note_problems(problems, [&] { verify_shard(contents, rank, problems); });
  }
  if (complete) note_problems(problems, [&] { contents.tensors = map_tensors(contents.ranks); });
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
      : path(std::move(checkpoint_path)), contents(std::move(loaded)),
        shards(contents.directory, shards_of(contents.ranks)) {}
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
  Contents contents = load(path, {0, verify == Verify::kAll ? 1 : 0}, problems);
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
const std::string& CheckpointReader::run_id() const { return state_->contents.manifest.run_id; }
const nlohmann::json& CheckpointReader::environment() const { return state_->contents.manifest.environment; }
bool CheckpointReader::read_back() const { return state_->contents.manifest.read_back; }
uint32_t CheckpointReader::fingerprint() const { return state_->contents.fingerprint; }
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

std::vector<std::string> CheckpointReader::weights() const {
  std::vector<std::string> names;
  for (const std::string& name : datasets()) {
    if (name.starts_with(kWeights)) names.push_back(name.substr(kWeights.size()));
  }
  return names;
}

bool CheckpointReader::has_weight(const std::string& name) const { return has(std::string(kWeights) + name); }

const std::vector<int64_t>& CheckpointReader::weight_shape(const std::string& name) const {
  return shape(std::string(kWeights) + name);
}

void CheckpointReader::read_weight(const std::string& name, int64_t dim, int64_t begin, int64_t end, int64_t first,
                                   int64_t count, float* out) const {
  read(std::string(kWeights) + name, dim, begin, end, first, count, out);
}

Verdict verify_checkpoint(const std::string& path, int share, int shares) {
  Verdict verdict;
  const Contents contents = load(path, {share, shares}, verdict.problems);
  if (verdict.problems.empty()) verdict.warnings = strangers(contents);
  return verdict;
}

}  // namespace bessemer::trainer
