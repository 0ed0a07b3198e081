#include "trainer/lease.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "parallel/error.h"
#include "tests/support/temporary_directory.h"

namespace bessemer::trainer {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

constexpr Lease::Timing kFast{milliseconds(20), milliseconds(300)};

std::string refusal(const std::string& run, bool force = false) {
  try {
    std::string taken_over;
    const auto lease = Lease::take(run, force, taken_over, kFast);
    return "";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kEnvironment);
    return error.what();
  }
}

/// A lease as a job on another machine leaves or holds it: no lock of ours tells.
void write_foreign(const std::string& run) {
  std::ofstream(run + "/lease") << R"({"host":"far","boot":"another","process":77,"run_id":"abc"})"
                                << "\n";
}

TEST(Lease, IsHeldByOneAndNamesItsHolder) {
  tests::TemporaryDirectory run;
  std::string taken_over;
  {
    auto lease = Lease::take(run.path(), false, taken_over, kFast);
    lease.name_run("00aa");
    EXPECT_FALSE(lease.lost());
    EXPECT_THAT(refusal(run.path()), testing::AllOf(HasSubstr("process " + std::to_string(getpid())),
                                                    HasSubstr("run 00aa"), HasSubstr("--force")));
  }
  const auto again = Lease::take(run.path(), false, taken_over, kFast);
  EXPECT_EQ(taken_over, "") << "it was given back";
}

TEST(Lease, OfAKilledProcessIsTakenAtOnceAndSaid) {
  tests::TemporaryDirectory run;
  const pid_t child = fork();
  if (child == 0) {
    std::string ignored;
    const auto held = Lease::take(run.path(), false, ignored, kFast);
    _exit(0);  // without destructors, as a kill
  }
  waitpid(child, nullptr, 0);
  std::string taken_over;
  const auto lease = Lease::take(run.path(), false, taken_over, kFast);
  EXPECT_THAT(taken_over,
              testing::AllOf(HasSubstr("process " + std::to_string(child)), HasSubstr("without giving it back")));
}

TEST(Lease, OfAnotherMachineIsHeldWhileItBeats) {
  tests::TemporaryDirectory run;
  write_foreign(run.path());
  std::atomic<bool> ends{false};
  std::thread heart([&] {
    while (!ends) {
      utimensat(AT_FDCWD, run.file("lease").c_str(), nullptr, 0);
      std::this_thread::sleep_for(milliseconds(20));
    }
  });
  EXPECT_THAT(refusal(run.path()), HasSubstr("host far, process 77, run abc"));
  ends = true;
  heart.join();
  std::string taken_over;
  const auto lease = Lease::take(run.path(), false, taken_over, kFast);  // it beats no more
  EXPECT_THAT(taken_over, HasSubstr("host far, process 77"));
}

TEST(Lease, TakenByForceIsNoticedByItsHolder) {
  tests::TemporaryDirectory run;
  std::string ignored, taken_over;
  const auto first = Lease::take(run.path(), false, ignored, kFast);
  const auto second = Lease::take(run.path(), true, taken_over, kFast);
  EXPECT_THAT(taken_over, HasSubstr("--force took it"));
  EXPECT_TRUE(first.lost());
  EXPECT_FALSE(second.lost());
  EXPECT_THAT(refusal(run.path()), HasSubstr("another job holds this run"));
}

TEST(Lease, ThatWasTornByAPowerCutIsFree) {
  tests::TemporaryDirectory run;
  std::ofstream(run.file("lease")) << R"({"host":"here","pro)";
  EXPECT_EQ(refusal(run.path()), "");
}

TEST(Lease, OfManyWhoStartAtOnceGoesToOne) {
  for (int round = 0; round < 20; ++round) {
    tests::TemporaryDirectory run;
    std::atomic<int> held{0}, refused{0};
    std::vector<std::thread> jobs;
    std::vector<std::optional<Lease>> leases(8);
    for (int i = 0; i < 8; ++i) {
      jobs.emplace_back([&, i] {
        std::string ignored;
        try {
          leases[static_cast<std::size_t>(i)] = Lease::take(run.path(), false, ignored, kFast);
          ++held;
        } catch (const Error&) {
          ++refused;
        }
      });
    }
    for (auto& job : jobs) job.join();
    EXPECT_EQ(held, 1);
    EXPECT_EQ(refused, 7);
  }
}

}  // namespace
}  // namespace bessemer::trainer
