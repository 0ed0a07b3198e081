// System calls that fail while a checkpoint is saved or loaded: each call x each errno.
//
//   fault_failing_calls [--stride=1]
//
// A training saves at steps 2, 4 and 6; each call of the save of step 4 (opens, writes, fsyncs, renames, removals ...)
// fails once, in turn, with each errno, or is done by half, or interrupted. Training must go on to its end, say the
// error by the system's name, and end with the unbroken run's bits in a checkpoint that verifies. Then likewise each
// call of a resume: it goes on with the right bits, or refuses by name. --stride=N takes every Nth case.
#include <ATen/Parallel.h>

#include <cstring>
#include <filesystem>

#include "parallel/error.h"
#include "tests/faults/options.h"
#include "tests/faults/system_calls.h"
#include "tests/support/small_training.h"

namespace {

using namespace bessemer;
using faults::Call;
using faults::Event;
using faults::Watch;
namespace fs = std::filesystem;

constexpr int64_t kSteps = 6;

bool retried(Call call) {  // a call that a signal may interrupt, and that is then made again
  return call == Call::kOpen || call == Call::kCreate || call == Call::kPread || call == Call::kPwrite ||
         call == Call::kWrite || call == Call::kReserve;
}

class Campaign {
 public:
  Campaign(const tests::SmallTraining& training, int64_t stride) : training_(training), stride_(stride) {
    checkpoint.every = 2, checkpoint.keep = 2, checkpoint.asynchronous = false;
    training_.train(training_.dir("whole"), checkpoint);
  }

  /// The calls from the first that names `from` to the first that names `to`, in one training in `run`.
  std::vector<Event> calls_between(const std::string& run, const std::string& from, const std::string& to) {
    std::vector<Event> calls;
    bool on = from.empty(), over = false;
    const Watch watch(run,
                      [&](const Event& e) {
                        on = on || e.path.find(from) != std::string::npos;
                        over = over || (!to.empty() && e.path.find(to) != std::string::npos);
                        if (on && !over) calls.push_back(e);
                        return 0;
                      },
                      {});
    training_.train(run, checkpoint);
    return calls;
  }

  /// Trains in `run` with the nth of those calls made to go wrong; what it said is in log().
  trainer::RunEnd train_with(const std::string& run, const std::string& from, std::size_t nth, int error) {
    std::size_t seen = 0;
    bool on = from.empty();
    const Watch watch(run,
                      [&](const Event& e) {
                        on = on || e.path.find(from) != std::string::npos;
                        return on && seen++ == nth ? error : 0;
                      },
                      {});
    return training_.train(run, checkpoint, training_.dir("log"));
  }
  std::string log() const {
    std::ifstream file(training_.dir("log"));
    return {std::istreambuf_iterator<char>(file), {}};
  }

  void saves() {
    const std::string from = ".tmp-step-0000000004", to = ".tmp-step-0000000006";
    const auto calls = calls_between(training_.dir("count"), from, to);
    for (std::size_t nth = 0; nth < calls.size(); ++nth) {
      for (const int error : {EIO, ENOSPC, EROFS, EDQUOT, EINTR, Watch::kShort}) {
        const bool write = calls[nth].call == Call::kPwrite || calls[nth].call == Call::kWrite;
        if ((error == Watch::kShort && !write) || (error == EINTR && !retried(calls[nth].call)) || skip()) continue;
        one_save(calls[nth], nth, error, from);
      }
    }
    std::printf("saves: %zu calls, %lld cases, %lld failed saves, %lld bad\n", calls.size(),
                static_cast<long long>(cases), static_cast<long long>(failed_saves), static_cast<long long>(bad));
    if (failed_saves < 10 && stride_ == 1) ++bad, std::printf("hardly any save failed: nothing was shown\n");
  }

  void loads() {
    const std::string half = training_.dir("half");
    training_.train(half, checkpoint);
    fs::remove_all(tests::checkpoint_path(half, 6));
    const auto calls = calls_of_resume(half);
    int64_t refused = 0, older = 0, before = cases;
    for (std::size_t nth = 0; nth < calls.size(); ++nth) {
      for (const int error : {EIO, EACCES, ENOENT, EINTR}) {
        if ((error == EINTR && !retried(calls[nth].call)) || skip()) continue;
        one_load(half, calls[nth], nth, error, refused, older);
      }
    }
    std::printf("loads: %zu calls, %lld cases: %lld refused by name, %lld went on from an older checkpoint, %lld bad\n",
                calls.size(), static_cast<long long>(cases - before), static_cast<long long>(refused),
                static_cast<long long>(older), static_cast<long long>(bad));
  }

  /// A disk that stays full, and one that is slow.
  void lasting() {
    const std::string run = training_.dir("full");
    {
      const Watch watch(
          run,
          [&](const Event& e) {
            return e.path.find(".tmp-step-0000000006") != std::string::npos && e.call == Call::kReserve ? ENOSPC : 0;
          },
          {});
      const auto end = training_.train(run, checkpoint, training_.dir("log"));
      expect(end.code == ExitCode::kCheckpointFailed && end.checkpoint == tests::checkpoint_path(run, 4),
             "the last save failed: exit 76, step 4 named");
    }
    fs::remove_all(run);
    {
      const Watch watch(run,
                        [&](const Event& e) {
                          return e.path.find("metrics.jsonl") != std::string::npos && e.call == Call::kWrite &&
                                         ++writes_ % 3 != 0
                                     ? ENOSPC
                                     : 0;
                        },
                        {});
      const auto end = training_.train(run, checkpoint, training_.dir("log"));
      expect(end.code == ExitCode::kDone && log().find("metrics wait in memory") != std::string::npos,
             "metrics wait for room");
    }
    expect(tests::metric_bits(run) == tests::metric_bits(training_.dir("whole")), "and none is lost");
    fs::remove_all(run);
    auto often = checkpoint;
    often.every = 1, often.asynchronous = true;
    {
      const Watch watch(run, [&](const Event& e) { return e.call == Call::kFsync ? Watch::kSlow : 0; }, {});
      const auto end = training_.train(run, often, training_.dir("log"));
      expect(end.code == ExitCode::kDone && end.skipped > 0, "a slow disk: saves are skipped and counted");
      expect(log().find("is still being written") != std::string::npos, "and warned of");
    }
    expect(tests::difference(run, training_.dir("whole"), kSteps).empty(), "and the end is right");
    fs::remove_all(run);
  }

  trainer::CheckpointOptions checkpoint;
  int64_t cases = 0, bad = 0, failed_saves = 0;

 private:
  bool skip() { return draws_++ % stride_ != 0; }

  void expect(bool good, const std::string& what) {
    ++cases;
    if (!good) ++bad, std::printf("BAD: %s\n%s\n", what.c_str(), log().c_str());
  }

  void complain(const Event& e, std::size_t nth, int error, const std::string& why) {
    if (bad++ < 10)
      std::printf("BAD: call %zu, %s of %s, %s: %s\n%s\n", nth, faults::name_of(e.call), e.path.c_str(),
                  error < 0 ? "short" : std::strerror(error), why.c_str(), log().c_str());
  }

  void one_save(const Event& call, std::size_t nth, int error, const std::string& from) {
    ++cases;
    const std::string run = training_.dir("run");
    fs::remove_all(run);
    try {
      const auto end = train_with(run, from, nth, error);
      failed_saves += end.failed;
      if (end.code != ExitCode::kDone) return complain(call, nth, error, "it did not end well");
      if ((error < 0 || error == EINTR) && end.failed > 0) return complain(call, nth, error, "it should be done again");
      const bool said = log().find(std::strerror(error > 0 ? error : 0)) != std::string::npos;
      if (end.failed > 0 && !said) return complain(call, nth, error, "the error is not named");
      if (const auto differs = tests::difference(run, training_.dir("whole"), kSteps); !differs.empty())
        return complain(call, nth, error, differs);
      for (const auto& entry : fs::directory_iterator(run)) {
        if (entry.path().filename().string().starts_with(".tmp-") && call.call != Call::kUnlink &&
            call.call != Call::kRmdir && call.call != Call::kOpen)
          return complain(call, nth, error, "the partial one stays: " + entry.path().string());
      }
    } catch (const std::exception& thrown) {
      complain(call, nth, error, std::string("training ended: ") + thrown.what());
    }
  }

  /// The calls from the start up to the first write of metrics.
  std::vector<Event> calls_of_resume(const std::string& half) {
    const std::string run = training_.dir("resumed");
    fs::remove_all(run);
    fs::copy(half, run, fs::copy_options::recursive);
    return calls_between(run, "", "metrics.jsonl");
  }

  void one_load(const std::string& half, const Event& call, std::size_t nth, int error, int64_t& refused,
                int64_t& older) {
    ++cases;
    const std::string run = training_.dir("resumed");
    fs::remove_all(run);
    fs::copy(half, run, fs::copy_options::recursive);
    try {
      train_with(run, "", nth, error);
      older += log().find("resumed at step 4") == std::string::npos;
      if (const auto differs = tests::difference(run, training_.dir("whole"), kSteps); !differs.empty())
        complain(call, nth, error, differs);
    } catch (const Error& thrown) {
      ++refused;
      const std::string text = thrown.what();
      if (error == EINTR || text.find(std::strerror(error)) == std::string::npos)
        complain(call, nth, error, "refused without its name: " + text);
    } catch (const std::exception& thrown) {
      complain(call, nth, error, std::string("no error of ours: ") + thrown.what());
    }
  }

  const tests::SmallTraining& training_;
  int64_t stride_, draws_ = 0, writes_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  auto n = faults::numbers(argc, argv, {{"--stride", 1}});
  at::set_num_threads(1);
  const tests::SmallTraining training(kSteps);
  Campaign campaign(training, n["--stride"]);
  campaign.saves();
  campaign.loads();
  campaign.lasting();
  std::printf("%lld cases, %lld bad\n", static_cast<long long>(campaign.cases), static_cast<long long>(campaign.bad));
  return campaign.bad > 0;
}
