#include "launch/agree.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "configs/text.h"
#include "launch/environment.h"
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

TEST(AgreeOnRanks, NamesTheOptionThatDiffers) {
  tests::run_ranks(2, [](const parallel::Grid& grid) {
    configs::RunConfig config;
    const auto agree_all = [&] {
      agree_on(grid.world, configs::to_text(config), ExitCode::kUsage, "different options", "give all the same file");
    };
    EXPECT_NO_THROW(agree_all());
    if (grid.rank == 1) config.train.steps = 7;
    try {
      agree_all();
      ADD_FAILURE();
    } catch (const AgreedError& e) {
      EXPECT_EQ(e.code(), ExitCode::kUsage);
      EXPECT_THAT(e.what(), AllOf(HasSubstr("rank 0 has train.steps = 1000, rank 1 has train.steps = 7"),
                                  HasSubstr("give all the same file")));
    }
  });
}

TEST(AgreeOnRanks, NamesTheLibraryAndTheRank) {
  tests::run_ranks(4, [](const parallel::Grid& grid) {
    nlohmann::ordered_json here{{"bessemer", "1"}, {"libtorch", "2.11"}, {"processor", std::to_string(grid.rank)}};
    EXPECT_NO_THROW(agree_on_environment(grid.world, here, "data-1"));  // processors may differ
    if (grid.rank == 2) here["libtorch"] = "2.10";
    if (grid.rank == 3) here["libnccl.so.2"] = "7 bytes";
    try {
      agree_on_environment(grid.world, here, grid.rank == 2 ? "data-2" : "data-1");
      ADD_FAILURE();
    } catch (const AgreedError& e) {
      EXPECT_EQ(e.code(), ExitCode::kEnvironment);
      EXPECT_THAT(e.what(), AllOf(HasSubstr("rank 0 has libtorch = 2.11, rank 2 has libtorch = 2.10"),
                                  HasSubstr("rank 0 has data = data-1, rank 2 has data = data-2")));
    }
    try {
      agree_on_environment(grid.world, here, "data-1");
      ADD_FAILURE();
    } catch (const AgreedError& e) {
      EXPECT_THAT(e.what(), HasSubstr("libtorch = 2.10"));
    }
  });
}

TEST(Promise, SaysWhichBitsHoldAndWhyOthersDoNot) {
  nlohmann::json now{{"environment", {{"libtorch", "2.11"}, {"processor", "a"}}},
                     {"layout",
                      {{"dp", 4},
                       {"tp", 1},
                       {"threads", 2},
                       {"micro_batch", 3},
                       {"sequence_parallel", false},
                       {"zero", false},
                       {"virtual_dp", 0},
                       {"schedule_end", 100}}}};
  EXPECT_THAT(promise(now, {}), AllOf(HasSubstr("same bits"), HasSubstr("another dp only within rounding")));
  auto then = now;
  EXPECT_THAT(promise(now, then), HasSubstr("bit for bit as if unbroken"));
  then["layout"]["zero"] = true;
  EXPECT_THAT(promise(now, then), HasSubstr("bit for bit as if unbroken"));
  then["layout"]["dp"] = 2;
  EXPECT_THAT(promise(now, then), AllOf(HasSubstr("not bit for bit"), HasSubstr("dp was 2 and is 4")));
  now["layout"]["virtual_dp"] = then["layout"]["virtual_dp"] = 8;
  EXPECT_THAT(promise(now, then), AllOf(HasSubstr("same bits: dp was 2 and is 4"), HasSubstr("any dp that divides 8")));
  then["layout"]["threads"] = 1;
  then["environment"]["libtorch"] = "2.10";
  EXPECT_THAT(promise(now, then), AllOf(HasSubstr("not bit for bit"), HasSubstr("threads was 1 and is 2"),
                                        HasSubstr("libtorch was 2.10 and is 2.11")));
  auto loose = now;
  loose["environment"]["deterministic"] = "no";
  EXPECT_THAT(promise(loose, {}), HasSubstr("parallel.deterministic is off"));
  EXPECT_THAT(promise(now, loose), HasSubstr("deterministic was no and is not there"));
  then["environment"] = nullptr;  // format version 1
  EXPECT_THAT(promise(now, then), HasSubstr("processor was not known and is a"));
}

}  // namespace
}  // namespace bessemer::launch
