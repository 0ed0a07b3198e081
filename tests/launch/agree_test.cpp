#include "launch/agree.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "configs/text.h"
#include "launch/report.h"
#include "tests/support/thread_world.h"

namespace bessemer::launch {
namespace {

using testing::AllOf;
using testing::HasSubstr;

/// What agree() throws where `fails` does; "" for nothing.
std::string agreed(const parallel::Grid& grid, const std::function<void()>& work, ExitCode& code) {
  try {
    agree(grid.world, "host" + std::to_string(grid.rank), work);
  } catch (const AgreedError& e) {
    code = e.code();
    return e.what();
  }
  return "";
}

TEST(AgreeRanks, LetsGoodWorkPass) {
  for (const int ranks : {1, 2, 4}) {
    tests::run_ranks(ranks, [](const parallel::Grid& grid) {
      int done = 0;
      EXPECT_NO_THROW(agree(grid.world, "h", [&] { ++done; }));
      EXPECT_EQ(done, 1);
    });
  }
}

TEST(AgreeRanks, SaysOnceWhatAllSay) {
  for (const int ranks : {1, 2, 4}) {
    tests::run_ranks(ranks, [](const parallel::Grid& grid) {
      ExitCode code = ExitCode::kDone;
      EXPECT_EQ(agreed(
                    grid, [] { fail(ExitCode::kBadData, "bad file"); }, code),
                "bad file");
      EXPECT_EQ(code, ExitCode::kBadData);
    });
  }
}

TEST(AgreeRanks, NamesTheRankThatFailsAloneOnEveryRank) {
  tests::run_ranks(4, [](const parallel::Grid& grid) {
    ExitCode code = ExitCode::kDone;
    const auto message = agreed(
        grid, [&] { BESSEMER_CHECK_ENV(grid.rank != 2, "no disk"); }, code);
    EXPECT_EQ(message, "rank 2 on host2: no disk");
    EXPECT_EQ(code, ExitCode::kEnvironment);
  });
}

TEST(AgreeRanks, CountsThoseThatSayTheSame) {
  tests::run_ranks(4, [](const parallel::Grid& grid) {
    ExitCode code = ExitCode::kDone;
    const auto message = agreed(
        grid,
        [&] {
          BESSEMER_CHECK(grid.rank == 0 || grid.rank == 2, "odd");
          if (grid.rank == 2) throw std::runtime_error("two");
        },
        code);
    EXPECT_EQ(message, "2 ranks, first rank 1 on host1: odd\nrank 2 on host2: two");
    EXPECT_EQ(code, ExitCode::kUsage);  // of the lowest rank that failed
  });
}

TEST(AgreeOnConfigurationRanks, NamesTheOptionThatDiffers) {
  tests::run_ranks(2, [](const parallel::Grid& grid) {
    configs::RunConfig config;
    EXPECT_NO_THROW(agree_on_configuration(grid.world, configs::to_text(config)));
    if (grid.rank == 1) config.train.steps = 7;
    try {
      agree_on_configuration(grid.world, configs::to_text(config));
      ADD_FAILURE();
    } catch (const AgreedError& e) {
      EXPECT_EQ(e.code(), ExitCode::kUsage);
      EXPECT_THAT(e.what(), AllOf(HasSubstr("rank 0 has train.steps = 1000, rank 1 has train.steps = 7"),
                                  HasSubstr("give all the same file")));
    }
  });
}

}  // namespace
}  // namespace bessemer::launch
