// Damage to checkpoints and token shards: one bit, one block of zeros, a cut, a missing, an extra or a foreign file.
//
//   fault_corrupt [--mutations=100000] [--seed=1]
//
// Half of the mutations go to a checkpoint of three writers, half to a token data set of three shards. Each must be
// found before anything is used, in the right file (and tensor, where a tensor's bytes are hit), and the older
// checkpoint must then be the one that is found. What changes no byte is no mutation and is drawn again.
#include <filesystem>
#include <fstream>
#include <functional>
#include <random>

#include "data/build.h"
#include "data/corpus.h"
#include "data/file.h"
#include "parallel/error.h"
#include "tests/faults/options.h"
#include "tests/support/run_files.h"
#include "tests/support/small_checkpoint.h"

namespace {

using namespace bessemer;
namespace fs = std::filesystem;

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}
void write_file(const std::string& path, const std::string& bytes) { std::ofstream(path, std::ios::binary) << bytes; }

/// A file before and after.
struct Mutation {
  std::string name;  ///< of the file
  std::string kind;
  std::string bytes;  ///< after; unused where the file goes
  bool missing = false;
  std::size_t at = 0;  ///< where a bit or block was changed
};

class Mutator {
 public:
  /// \param foreign  a directory with files of the same names, of another save or data set.
  /// \param which    names of the files that are damaged.
  Mutator(const std::string& directory, std::string foreign, uint64_t seed,
          const std::function<bool(const std::string&)>& which)
      : foreign_(std::move(foreign)), random_(seed) {
    for (const auto& entry : fs::directory_iterator(directory)) {
      if (which(entry.path().filename())) names_.push_back(entry.path().filename());
    }
    std::sort(names_.begin(), names_.end());
    for (const auto& name : names_) {
      whole_[name] = read_file(directory + "/" + name);
      sha256_[name] = data::sha256_of_file(directory + "/" + name);
    }
  }
  const std::string& sha256(const std::string& name) const { return sha256_.at(name); }
  const std::string& whole(const std::string& name) const { return whole_.at(name); }

  Mutation draw() {
    for (;;) {
      Mutation m;
      m.name = names_[random_() % names_.size()];
      const std::string& before = whole_.at(m.name);
      m.bytes = before;
      switch (random_() % 16) {
        case 0: m.kind = "missing", m.missing = true; return m;
        case 1: m.kind = "foreign", m.bytes = read_file(foreign_ + "/" + m.name); break;
        case 2: m.kind = "cut", m.at = random_() % before.size(), m.bytes.resize(m.at); break;
        case 3: m.kind = "longer", m.bytes += static_cast<char>(random_()); break;
        case 4:
        case 5:
        case 6: {
          m.kind = "zeroed block", m.at = random_() % before.size() / 4096 * 4096;
          for (std::size_t i = m.at; i < std::min(m.at + 4096, m.bytes.size()); ++i) m.bytes[i] = 0;
          break;
        }
        default:
          m.kind = "bit", m.at = random_() % before.size();
          m.bytes[m.at] = static_cast<char>(m.bytes[m.at] ^ (1 << random_() % 8));
      }
      if (m.bytes != before) return m;
    }
  }

 private:
  std::string foreign_;
  std::mt19937_64 random_;
  std::vector<std::string> names_;
  std::map<std::string, std::string> whole_, sha256_;
};

struct Tally {
  std::map<std::string, int64_t> kinds;
  int64_t missed = 0;
  void miss(const Mutation& m, const std::string& why) {
    if (missed++ < 10) std::printf("MISSED: %s of %s at %zu: %s\n", m.kind.c_str(), m.name.c_str(), m.at, why.c_str());
  }
};

void apply(const std::string& directory, const Mutation& m) {
  if (m.missing)
    fs::remove(directory + "/" + m.name);
  else
    write_file(directory + "/" + m.name, m.bytes);
}

std::string save(const std::string& run, int64_t step) {
  const auto plan = tests::small_plan(run, step, {0, 1, 2});
  for (const int rank : plan.writers) {
    tests::Parts parts;
    parts.add("params/w", step, {30, 40}, 0, 10 * rank, 10 * (rank + 1));
    parts.add("momentum/w", step, {30, 40}, 0, 10 * rank, 10 * (rank + 1));
    parts.add("variance/b", step, {301}, 0, 0, 301, 100 * rank, rank == 2 ? 101 : 100);
    trainer::write_rank(plan, rank, parts.chunks, false, tests::kNothing);
  }
  return trainer::publish(plan, tests::small_manifest(step), tests::kNothing);
}

/// The tensor whose bytes lie at `at` of a shard; "" where none does.
std::string tensor_at(const std::string& checkpoint, const std::string& shard, std::size_t at) {
  for (const int rank : {0, 1, 2}) {
    const std::string name = trainer::rank_file_name(rank);
    const auto file = trainer::parse_rank_file(read_file(checkpoint + "/" + name), name);
    if (file.shard.file.name != shard) continue;
    for (const auto& chunk : file.shard.chunks) {
      const auto begin = static_cast<std::size_t>(chunk.offset);
      if (at >= begin && at < begin + static_cast<std::size_t>(chunk.count) * sizeof(float)) return chunk.dataset;
    }
  }
  return "";
}

void damage_checkpoints(int64_t count, uint64_t seed, Tally& tally) {
  const tests::TemporaryDirectory run, other;
  const std::string older = save(run.path(), 1), newest = save(run.path(), 2);
  Mutator mutator(newest, save(other.path(), 2), seed, [](const std::string&) { return true; });
  for (int64_t i = 0; i < count; ++i) {
    const Mutation m = mutator.draw();
    ++tally.kinds["checkpoint: " + m.kind];
    const std::string tensor = m.kind == "bit" && m.name.ends_with(".h5") ? tensor_at(newest, m.name, m.at) : "";
    apply(newest, m);
    const auto found = trainer::find_newest(run.path(), trainer::Verify::kAll);
    if (found.path != older || found.warnings.size() != 1)
      tally.miss(m, "the older one was not taken");
    else if (found.warnings[0].find(m.name) == std::string::npos)
      tally.miss(m, "another file was named: " + found.warnings[0]);
    else if (found.warnings[0].find(tensor) == std::string::npos)
      tally.miss(m, "the tensor " + tensor + " was not named: " + found.warnings[0]);
    write_file(newest + "/" + m.name, mutator.whole(m.name));
  }
  // Extra files are no damage: said, and passed over.
  write_file(newest + "/shard-00003-of-00004.h5", "x");
  const auto verdict = trainer::verify_checkpoint(newest);
  if (!verdict.problems.empty() || verdict.warnings.size() != 1)
    tally.miss({"shard-00003-of-00004.h5", "extra", "", false, 0}, "it was not warned of");
  ++tally.kinds["checkpoint: extra"];
}

std::string build_data(const tests::TemporaryDirectory& directory, const std::string& name, uint64_t text_seed) {
  const std::string text = directory.file(name + ".txt");
  write_file(text, tests::some_text(4000, text_seed));
  data::BuildOptions options;
  options.inputs = {text}, options.out = directory.file(name), options.tokenizer = "chars";
  options.shard_tokens = 7000;
  data::build(options, [](const data::BuildProgress&) { return true; });
  return options.out;
}

/// Every training token as a run reads them, block checksums included; none and `why` where that is refused.
std::vector<int64_t> all_tokens(const std::string& directory, std::string& why) {
  try {
    const auto corpus = data::Corpus::open(directory, "train", {64});
    std::vector<int64_t> all(static_cast<std::size_t>(corpus->rows()) * 65);
    for (int64_t w = 0; w < corpus->rows(); ++w) corpus->read_row(w, {{all.data() + 65 * w, 65}, {}, {}});
    return all;
  } catch (const Error& error) {
    why = error.what();
    return {};
  }
}

// A run reads tokens and what describes them. Damage there is refused, in the file's name; damage elsewhere (offsets of
// documents, padding) leaves every token it reads as it was, and `data verify` finds it.
void damage_shards(int64_t count, uint64_t seed, Tally& tally) {
  const tests::TemporaryDirectory files;
  const std::string mine = build_data(files, "mine", 1), other = build_data(files, "other", 2);
  std::string why;
  const auto tokens = all_tokens(mine, why);
  if (tokens.empty()) return tally.miss({"", "no data", "", false, 0}, why);
  Mutator mutator(mine, other, seed, [](const std::string& name) { return name.starts_with("train-"); });
  int64_t by_run = 0;
  for (int64_t i = 0; i < count; ++i) {
    const Mutation m = mutator.draw();
    ++tally.kinds["shard: " + m.kind];
    apply(mine, m);
    why.clear();
    const auto now = all_tokens(mine, why);
    if (!why.empty()) {
      ++by_run;
      if (why.find(m.name) == std::string::npos) tally.miss(m, "another file was named: " + why);
    } else if (now != tokens) {
      tally.miss(m, "other tokens were read");
    } else if (m.missing || data::sha256_of_file(mine + "/" + m.name) == mutator.sha256(m.name)) {
      tally.miss(m, "nothing noticed");
    }
    write_file(mine + "/" + m.name, mutator.whole(m.name));
  }
  std::printf("of %lld in shards a run refuses %lld; the others touch no token it reads, and data verify names them\n",
              static_cast<long long>(count), static_cast<long long>(by_run));
}

}  // namespace

int main(int argc, char** argv) {
  auto n = faults::numbers(argc, argv, {{"--mutations", 100000}, {"--seed", 1}});
  Tally tally;
  damage_checkpoints(n["--mutations"] / 2, static_cast<uint64_t>(n["--seed"]), tally);
  damage_shards(n["--mutations"] - n["--mutations"] / 2, static_cast<uint64_t>(n["--seed"]), tally);
  for (const auto& [kind, count] : tally.kinds)
    std::printf("%-28s %lld\n", kind.c_str(), static_cast<long long>(count));
  std::printf("%lld missed\n", static_cast<long long>(tally.missed));
  return tally.missed > 0;
}
