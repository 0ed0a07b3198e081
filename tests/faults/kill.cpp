// kill -9 at random microseconds.
//
//   fault_kill [--lives=9500] [--mpi=500] [--seed=1]
//
// --lives: processes forked from this one, which has LibTorch loaded, each training on from the newest checkpoint until
// it is killed; half of them while a save is under way. --mpi: kills under mpirun: of one rank, rank 0, all ranks, or
// mpirun itself. After each kill: no checkpoint that was there is lost, every one verifies, the newest holds the
// unbroken run's bits, and no process is left behind. A run that gets to its end has the unbroken run's metrics, bit
// for bit.
#include <ATen/Parallel.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <random>

#include "parallel/error.h"
#include "tests/faults/options.h"
#include "tests/support/small_run.h"
#include "tests/support/small_training.h"

namespace {

using namespace bessemer;
namespace fs = std::filesystem;

struct Tally {
  int64_t kills = 0, while_saving = 0, runs = 0, lost = 0, wrong = 0, broken = 0, orphans = 0, failed = 0;
  int64_t bad() const { return lost + wrong + broken + orphans + failed; }
  void print(const char* what) const {
    std::printf(
        "%s: %lld kills, %lld of them while saving or removing; %lld runs ended: %lld lost checkpoints, %lld broken, %lld with "
        "wrong bits, %lld orphans, %lld other failures\n",
        what, static_cast<long long>(kills), static_cast<long long>(while_saving), static_cast<long long>(runs),
        static_cast<long long>(lost), static_cast<long long>(broken), static_cast<long long>(wrong),
        static_cast<long long>(orphans), static_cast<long long>(failed));
  }
};

/// Names that a save or a removal which was killed leaves behind.
bool leftovers(const std::string& run) {
  if (!fs::exists(run)) return false;
  for (const auto& entry : fs::directory_iterator(run)) {
    const std::string name = entry.path().filename();
    if (name.starts_with(".tmp-step-") || name.starts_with(".trash-")) return true;
  }
  return false;
}

/// What a checkpoint holds: tensors and state, as one text of bytes.
std::string contents(const std::string& path) {
  std::string all;
  for (const auto& [name, values] : tests::checkpoint_tensors(path)) {
    all += name;
    all.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
  }
  return all + trainer::CheckpointReader::open(path).state().dump();
}

/// Looks at a run after a kill. \param newest  step of the newest checkpoint before; moved on.
void look_at(const std::string& run, const std::map<int64_t, std::string>& unbroken, int64_t& newest, Tally& tally) {
  tally.while_saving += leftovers(run);
  for (const int64_t step : trainer::checkpoint_steps(run)) {
    const std::string path = tests::checkpoint_path(run, step);
    if (const auto verdict = trainer::verify_checkpoint(path); !verdict.problems.empty()) {
      ++tally.broken;
      std::printf("BROKEN: %s\n", verdict.problems[0].c_str());
    } else if (!unbroken.empty() && contents(path) != unbroken.at(step)) {
      ++tally.wrong;
      std::printf("WRONG BITS: %s\n", path.c_str());
    }
  }
  const int64_t now = trainer::find_newest(run, trainer::Verify::kMetadata).step;
  if (now < newest)
    ++tally.lost, std::printf("LOST: %s had step %lld, has %lld\n", run.c_str(), static_cast<long long>(newest),
                              static_cast<long long>(now));
  newest = std::max(newest, now);
}

void forked_lives(int64_t lives, std::mt19937_64& random, Tally& tally) {
  constexpr int64_t kSteps = 12;
  tests::SmallTraining training(kSteps);
  trainer::CheckpointOptions all, two;
  all.every = two.every = 1, all.keep = kSteps, two.keep = 2;
  all.asynchronous = false;  // an asynchronous one may skip a step
  const auto start = std::chrono::steady_clock::now();
  training.train(training.dir("unbroken"), all);
  const auto whole_us = static_cast<uint64_t>(
      std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count());
  std::map<int64_t, std::string> unbroken;
  for (int64_t step = 1; step <= kSteps; ++step)
    unbroken[step] = contents(tests::checkpoint_path(training.dir("unbroken"), step));
  const auto metrics = tests::metric_bits(training.dir("unbroken"));
  const auto begin = std::chrono::steady_clock::now();
  for (int64_t run_number = 0; tally.kills < lives; ++run_number) {
    const std::string run = training.dir("run" + std::to_string(run_number));
    int64_t newest = -1;
    for (bool done = false; !done;) {
      const bool saving = random() % 2 != 0;
      const auto wait_us = static_cast<useconds_t>(random() % (saving ? whole_us / 4 : whole_us));
      const pid_t child = fork();
      if (child == 0) {
        try {
          _exit(static_cast<int>(training.train(run, two).code));
        } catch (const std::exception& error) {
          std::fprintf(stderr, "%s\n", error.what());
          _exit(70);
        }
      }
      int status = 0;
      while (saving && !leftovers(run) && waitpid(child, &status, WNOHANG) == 0) {
      }
      if (status == 0) usleep(wait_us);
      kill(child, SIGKILL);
      waitpid(child, &status, 0);
      const bool killed = WIFSIGNALED(status);
      tally.kills += killed;
      done = !killed;
      if (done && WEXITSTATUS(status) != 0) ++tally.failed;
      if (fs::exists(run)) look_at(run, unbroken, newest, tally);
      if (tally.kills >= lives) break;
    }
    if (newest == kSteps && !leftovers(run)) {
      ++tally.runs;
      if (tests::metric_bits(run) != metrics) ++tally.wrong, std::printf("WRONG METRICS: %s\n", run.c_str());
    }
    fs::remove_all(run);
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  std::printf("%.1f ms a life\n", 1e3 * seconds / static_cast<double>(std::max<int64_t>(1, tally.kills)));
}

/// Processes whose command line names `run`.
int processes_of(const std::string& run) {
  int count = 0;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const std::string pid = entry.path().filename();
    if (pid.find_first_not_of("0123456789") != std::string::npos || pid == std::to_string(getpid())) continue;
    std::ifstream file(entry.path() / "cmdline", std::ios::binary);
    const std::string line{std::istreambuf_iterator<char>(file), {}};
    count += line.find("--run.dir=" + run) != std::string::npos;
  }
  return count;
}

void kill_some(const tests::Process& job, std::mt19937_64& random) {
  auto ranks = job.ranks();
  switch (random() % 4) {
    case 0:
      if (!ranks.empty()) kill(ranks[random() % ranks.size()], SIGKILL);
      return;
    case 1:
      if (!ranks.empty()) kill(ranks[0], SIGKILL);
      return;
    case 2:
      for (const int rank : ranks) kill(rank, SIGKILL);
      return;
    default: job.signal(SIGKILL);
  }
}

void mpirun_lives(int64_t lives, std::mt19937_64& random, Tally& tally) {
  const tests::SmallRun files;
  const std::vector<std::string> options{"--train.steps=250", "--checkpoint.every=2", "--checkpoint.keep=2"};
  if (lives > 0 && files.run(tests::under_mpirun(2, files.train("whole", options))).code != 0) ++tally.failed;
  for (int64_t run_number = 0; tally.kills < lives; ++run_number) {
    const std::string name = "broken" + std::to_string(run_number), run = files.dir(name);
    int64_t newest = -1;
    for (bool done = false; !done;) {
      tests::Process job(tests::under_mpirun(2, files.train(name, options)), files.log());
      const bool wanted = tally.kills < lives;
      if (wanted) {
        if (random() % 5 != 0) job.prints(" | loss ");  // one in five dies while it starts
        std::this_thread::sleep_for(std::chrono::microseconds(random() % 700000));
        if (job.running()) kill_some(job, random), ++tally.kills;
      }
      const auto ended = job.wait();
      done = ended.code == 0;
      if (!done && (!wanted || ended.text.find("error:") != std::string::npos)) {
        ++tally.failed;
        std::printf("FAILED with %d:\n%s\n", ended.code, ended.text.c_str());
        return;
      }
      for (int tries = 0; processes_of(run) > 0 && tries < 1000; ++tries)
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
      tally.orphans += processes_of(run);
      if (fs::exists(run)) look_at(run, {}, newest, tally);
    }
    ++tally.runs;
    if (const auto differs = tests::difference(run, files.dir("whole"), 250); !differs.empty()) {
      ++tally.wrong;
      std::printf("WRONG: %s\n", differs.c_str());
    }
    fs::remove_all(run);
  }
}

}  // namespace

int main(int argc, char** argv) {
  auto n = faults::numbers(argc, argv, {{"--lives", 9500}, {"--mpi", 500}, {"--seed", 1}});
  at::set_num_threads(1);
  std::mt19937_64 random(static_cast<uint64_t>(n["--seed"]));
  Tally forked, under_mpi;
  forked_lives(n["--lives"], random, forked);
  forked.print("forked");
  std::fflush(stdout);
  mpirun_lives(n["--mpi"], random, under_mpi);
  under_mpi.print("mpirun");
  return forked.bad() + under_mpi.bad() > 0;
}
