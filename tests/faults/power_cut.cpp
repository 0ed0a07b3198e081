// Power cuts in saves: the calls of real saves are recorded, and every disk that a cut may leave behind is looked at.
//
//   fault_power_cut [--saves=20] [--random=1000] [--seed=1] [--planted=1]
//
// file_system.h is the model of what a disk may hold. For each prefix of the calls: all subsets of at most ten changes
// that may be missing, else none, all, each one, each pair and --random seeded ones; and each write that may be torn,
// torn. What must hold: once the fsync of the run's directory has returned, the new checkpoint loads; before that, it
// or its predecessor does, and nothing else under its name. --planted=1 also leaves out each fsync in turn, of the
// first saves, and every one that matters must be caught.
#include <filesystem>
#include <fstream>
#include <random>
#include <unordered_set>

#include "parallel/error.h"
#include "tests/faults/file_system.h"
#include "tests/faults/options.h"
#include "tests/support/small_checkpoint.h"
#include "tests/support/temporary_directory.h"

namespace {

using namespace bessemer;
using faults::FileSystem;

/// One save of the recording, in numbers of operations.
struct Save {
  int64_t step = 0, version = 0;                // what it holds
  int64_t old_step = 0, old_version = 0;        // what was there before
  std::size_t begin = 0, durable = 0, end = 0;  // durable: the fsync of the run's directory has returned
};

void save(const std::string& run, int64_t step, int64_t version, int writers) {
  std::vector<int> ranks;
  for (int rank = 0; rank < writers; ++rank) ranks.push_back(rank);
  const auto plan = tests::small_plan(run, step, ranks);
  for (const int rank : ranks) {
    tests::Parts parts;
    const int64_t begin = 12 * rank / writers, end = 12 * (rank + 1) / writers;
    parts.add("params/w", version, {12, 5}, 0, begin, end);
    parts.add("momentum/w", version, {12, 5}, 0, 0, 12, begin * 5, (end - begin) * 5);
    trainer::write_rank(plan, rank, parts.chunks, true, tests::kNothing);
  }
  auto manifest = tests::small_manifest(step);
  manifest.state = {{"version", version}};
  trainer::publish(plan, manifest, tests::kNothing);
}

bool holds(const trainer::CheckpointReader& reader, int64_t version) {
  if (reader.state().at("version") != version) return false;
  std::vector<float> out(60);
  for (const char* name : {"params/w", "momentum/w"}) {
    reader.read(name, out.data());
    for (int64_t i = 0; i < 60; ++i) {
      if (out[static_cast<std::size_t>(i)] != tests::element(name, version, i)) return false;
    }
  }
  return true;
}

/// A directory that is made to look like one tree after another; only what differs is touched.
class Scratch {
 public:
  explicit Scratch(std::string root) : root_(std::move(root)) {
    std::filesystem::remove_all(root_);
    std::filesystem::create_directories(root_);
  }
  ~Scratch() { std::filesystem::remove_all(root_); }
  const std::string& path() const { return root_; }
  void lay_down(std::map<std::string, std::string> tree) {
    for (auto old = now_.rbegin(); old != now_.rend(); ++old) {  // what lies in a directory before the directory
      if (!tree.contains(old->first)) std::filesystem::remove(root_ + "/" + old->first);
    }
    for (const auto& [path, bytes] : tree) {
      const auto old = now_.find(path);
      if (old != now_.end() && old->second == bytes) continue;
      if (path.back() == '/') {
        std::filesystem::create_directory(root_ + "/" + path);
      } else {
        std::ofstream(root_ + "/" + path, std::ios::binary) << bytes;
      }
    }
    now_ = std::move(tree);
  }

 private:
  std::string root_;
  std::map<std::string, std::string> now_;
};

class Campaign {
 public:
  Campaign(Scratch& scratch, int64_t random, uint64_t seed) : scratch_(scratch), random_(random), generator_(seed) {}

  /// Looks at every disk of one save. Stops at the first violation where `first_only`.
  void look_at(const FileSystem& disk, const Save& save, bool first_only) {
    seen_.clear();
    const auto synced = disk.synced_after();
    for (std::size_t count = save.begin; count <= save.end && !(first_only && violations > 0); ++count) {
      std::vector<std::size_t> open;  // changes that may be missing
      for (std::size_t i = 0; i < count; ++i) {
        if (disk.operations()[i].kind != FileSystem::Operation::Kind::kSync && synced[i] > count) open.push_back(i);
      }
      for (const auto& missing : subsets(open)) check(disk, save, {count, missing});
      for (const std::size_t i : open) tear(disk, save, count, i);
    }
  }

  int64_t disks = 0, violations = 0;
  std::string first;

 private:
  std::vector<std::vector<std::size_t>> subsets(const std::vector<std::size_t>& open) {
    std::vector<std::vector<std::size_t>> all;
    const auto pick = [&](const auto& take) {
      std::vector<std::size_t> some;
      for (std::size_t i = 0; i < open.size(); ++i) {
        if (take(i)) some.push_back(open[i]);
      }
      all.push_back(std::move(some));
    };
    if (open.size() <= 10) {
      for (std::size_t bits = 0; bits < std::size_t{1} << open.size(); ++bits)
        pick([&](std::size_t i) { return (bits >> i & 1) != 0; });
      return all;
    }
    pick([](std::size_t) { return false; }), pick([](std::size_t) { return true; });
    for (std::size_t a = 0; a < open.size(); ++a) {
      for (std::size_t b = a; b < open.size(); ++b) pick([&](std::size_t i) { return i == a || i == b; });
    }
    for (int64_t n = 0; n < random_; ++n) {
      const unsigned share = 1 + static_cast<unsigned>(generator_() % 15);
      pick([&](std::size_t) { return generator_() % 16 < share; });
    }
    return all;
  }

  void tear(const FileSystem& disk, const Save& save, std::size_t count, std::size_t i) {
    const auto& op = disk.operations()[i];
    if (op.kind != FileSystem::Operation::Kind::kData) return;
    const auto sectors = static_cast<int64_t>(op.data.size() / 512);
    for (const int64_t kept : {int64_t{0}, sectors / 2, sectors}) check(disk, save, {count, {}, i, kept * 512});
  }

  void check(const FileSystem& disk, const Save& save, const FileSystem::Crash& crash) {
    const auto tree = disk.after(crash);
    std::string all = crash.count >= save.durable ? "d" : "-";
    for (const auto& [path, bytes] : tree) all += path + '\0' + std::to_string(bytes.size()) + '\0' + bytes;
    if (!seen_.insert(std::hash<std::string>{}(all)).second) return;  // this very disk has been looked at
    ++disks;
    scratch_.lay_down(tree);
    std::string wrong = verdict(save, crash);
    if (wrong.empty()) return;
    if (violations++ == 0) {
      first = wrong + " after " + std::to_string(crash.count) +
              " calls, the last: " + (crash.count > 0 ? disk.operations()[crash.count - 1].text : "none") +
              "; missing:";
      for (const std::size_t i : crash.missing) first += "\n    " + disk.operations()[i].text;
      if (crash.torn != SIZE_MAX) first += "\n    torn: " + disk.operations()[crash.torn].text;
    }
  }

  std::string verdict(const Save& save, const FileSystem::Crash& crash) const {
    const auto found = trainer::find_newest(scratch_.path(), trainer::Verify::kAll);
    if (!found.warnings.empty()) return "a broken checkpoint bears its name: " + found.warnings[0];
    if (found.path.empty()) return "no checkpoint is left";
    const auto reader = trainer::CheckpointReader::open(found.path);
    const bool is_new = found.step == save.step && holds(reader, save.version);
    const bool is_old = found.step == save.old_step && holds(reader, save.old_version);
    if (crash.count >= save.durable && !is_new) return "the directory was synced, and the new checkpoint is not there";
    return is_new || is_old ? "" : "what loads is neither the new checkpoint nor its predecessor";
  }

  Scratch& scratch_;
  int64_t random_;
  std::mt19937_64 generator_;
  std::unordered_set<std::size_t> seen_;
};

/// Saves of one run, one after the other: new steps and steps saved again, one to four writers, retention between.
std::vector<Save> record(const std::string& run, int64_t count, FileSystem& disk) {
  std::vector<Save> saves;
  const faults::Watch watch(run, {}, [&](const faults::Event& event) { disk.record(event); });
  save(run, 1, 1, 1);
  Save last{1, 1, 0, 0};
  for (int64_t n = 2; n < count + 2; ++n) {
    Save next{n % 4 == 0 ? last.step : last.step + 1, n, last.step, last.version, disk.operations().size()};
    const std::string final_name = trainer::RunDirectory::step_name(next.step);
    save(run, next.step, next.version, static_cast<int>(1 + n % 4));
    // The first fsync of the run's directory behind the rename: from its return on the checkpoint must be there.
    bool renamed = false;
    for (std::size_t i = next.begin; i < disk.operations().size() && next.durable == 0; ++i) {
      const auto& op = disk.operations()[i];
      renamed = renamed || (op.kind == FileSystem::Operation::Kind::kNames && op.text.ends_with(" -> " + final_name));
      if (renamed && op.kind == FileSystem::Operation::Kind::kSync && op.inodes[0] == 0) next.durable = i + 1;
    }
    trainer::apply_retention(run, {1, 0});
    next.end = disk.operations().size();
    saves.push_back(next);
    last = next;
  }
  return saves;
}

/// Leaves out each fsync of a save in turn. \return those that went unnoticed.
std::vector<std::string> plant(const FileSystem& disk, const Save& save, Scratch& scratch, int64_t& planted) {
  std::vector<std::string> unnoticed;
  for (std::size_t i = save.begin; i < save.durable; ++i) {
    if (disk.operations()[i].kind != FileSystem::Operation::Kind::kSync) continue;
    FileSystem changed = disk;
    changed.operations()[i].inodes = {-1};  // a barrier of nothing
    Campaign campaign(scratch, 100, 1);
    campaign.look_at(changed, save, /*first_only=*/true);
    ++planted;
    if (campaign.violations == 0) unnoticed.push_back(disk.operations()[i].text);
  }
  return unnoticed;
}

}  // namespace

int main(int argc, char** argv) {
  auto n = faults::numbers(argc, argv, {{"--saves", 20}, {"--random", 1000}, {"--seed", 1}, {"--planted", 1}});
  const tests::TemporaryDirectory real;
  Scratch scratch("/dev/shm/bessemer-power-cut-" + std::to_string(getpid()));
  FileSystem disk(real.path());
  const auto saves = record(real.path(), n["--saves"], disk);
  Campaign campaign(scratch, n["--random"], static_cast<uint64_t>(n["--seed"]));
  for (const Save& save : saves) {
    if (save.durable == 0)
      return std::fprintf(stderr, "step %lld: the run's directory is never synced\n",
                          static_cast<long long>(save.step)),
             1;
    campaign.look_at(disk, save, false);
  }
  std::printf("%zu saves, %zu calls, %lld different disks: %lld violations\n", saves.size(), disk.operations().size(),
              static_cast<long long>(campaign.disks), static_cast<long long>(campaign.violations));
  if (campaign.violations > 0) std::printf("first: %s\n", campaign.first.c_str());
  int failed = campaign.violations > 0;
  if (n["--planted"] != 0) {
    int64_t planted = 0, redundant = 0;
    for (std::size_t i = 0; i < std::min<std::size_t>(4, saves.size()); ++i) {
      for (const auto& text : plant(disk, saves[i], scratch, planted)) {
        // The directory is synced again after the manifest's rename, which covers the names of the files before it.
        const bool again = text.starts_with("fsync .tmp-step-") && text.find('/') == std::string::npos;
        redundant += again;
        if (!again) std::printf("unnoticed without: %s\n", text.c_str()), failed = 1;
      }
    }
    std::printf("%lld missing fsyncs planted, %lld of them caught, the others redundant\n",
                static_cast<long long>(planted), static_cast<long long>(planted - redundant));
    if (redundant > planted / 4) failed = 1;
  }
  return failed;
}
