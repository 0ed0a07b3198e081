#include "configs/check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "configs/parse.h"
#include "tests/configs/support.h"
#include "tests/support/paths.h"

namespace bessemer::configs {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(Check, FindsNothingWrongWithTheDefaults) {
  for (const int64_t ranks : {0, 1, 2, 3, 4}) EXPECT_THAT(check(RunConfig{}, ranks), IsEmpty()) << ranks;
}

TEST(Check, NamesAllThatIsWrongAtOnce) {
  RunConfig c;
  c.model.heads = 5, c.parallel.dp = 3, c.optimizer.min_lr = 1;
  const auto got = check(c, 8);
  EXPECT_THAT(got, Contains(HasSubstr("model.hidden 128 cannot be split over model.heads 5")));
  EXPECT_THAT(got,
              Contains(HasSubstr("parallel.dp 3 x parallel.tp 1 = 3 ranks, but this job has 8; start `mpirun -n 3`")));
  EXPECT_THAT(got, Contains(HasSubstr("optimizer.min_lr 1 is above optimizer.lr 0.001")));
}

TEST(Check, WantsTpToDivideTheRanks) {
  RunConfig c;
  c.parallel.tp = 2;
  EXPECT_THAT(check(c, 3), ElementsAre(HasSubstr("parallel.tp 2 does not divide the 3 ranks")));
  EXPECT_THAT(check(c, 4), IsEmpty());
}

TEST(Check, WantsTheBatchToBeMicroTimesDpTimesAWholeNumber) {
  RunConfig c;
  c.train.global_batch = 10;
  EXPECT_THAT(check(c, 4),
              ElementsAre(HasSubstr("train.global_batch 10 is not a multiple of dp 4; choose for example 12")));
  c.train.micro_batch = 3;
  EXPECT_THAT(check(c, 2),
              ElementsAre(HasSubstr("train.global_batch 10 is not train.micro_batch 3 x dp 2 x a whole number")));
  c.train.micro_batch = 5;
  EXPECT_THAT(check(c, 2), IsEmpty());
}

TEST(Check, WantsTheStagesOfARampToComeOutEven) {
  RunConfig c;
  c.train.global_batch = 12;
  c.train.batch_ramp = {{2, 5}, {8, 5}};
  EXPECT_THAT(check(c, 2), IsEmpty());
  EXPECT_THAT(check(c, 4),
              ElementsAre(HasSubstr("train.batch_ramp 2 is not a multiple of dp 4; choose for example 4")));
  c.train.micro_batch = 3;
  EXPECT_THAT(check(c, 2), ElementsAre(HasSubstr("train.batch_ramp 8 / 2 = 4 sequences are not a multiple of")));
  c.train.batch_ramp.clear(), c.train.micro_batch = 0;
  c.model.sequence = 64, c.train.sequence_ramp = {{16, 5}, {48, 5}};
  EXPECT_THAT(check(c, 2), ElementsAre(HasSubstr("train.sequence_ramp 48 is no divisor of model.sequence 64")));
}

TEST(Check, KnowsTheRulesOfVirtualRanks) {
  RunConfig c;
  c.train.global_batch = 8;
  c.parallel.virtual_dp = 3;
  EXPECT_THAT(check(c, 1), ElementsAre(HasSubstr("parallel.virtual_dp 3 is not a power of two")));
  c.parallel.virtual_dp = 2;
  EXPECT_THAT(check(c, 4), ElementsAre(HasSubstr("parallel.virtual_dp 2 is not a multiple of dp 4")));
  c.parallel.virtual_dp = 16;
  EXPECT_THAT(check(c, 4), ElementsAre(HasSubstr("train.global_batch 8 is not a multiple of parallel.virtual_dp 16")));
  c.parallel.virtual_dp = 4, c.train.micro_batch = 4;
  EXPECT_THAT(check(c, 2),
              ElementsAre(HasSubstr("= 2 sequences per virtual rank are not a multiple of train.micro_batch 4")));
}

TEST(Check, RefusesBackendsThatCannotCarryTheDevice) {
  RunConfig c;
  c.parallel.backend = parallel::BackendKind::kNccl, c.parallel.device = parallel::DeviceKind::kCpu;
  EXPECT_THAT(check(c, 1),
              ElementsAre(HasSubstr("parallel.backend = nccl carries device tensors, but parallel.device = cpu")));
}

TEST(Layout, MultipliesToTheGlobalBatch) {
  RunConfig c;
  c.train.global_batch = 48;
  for (const int64_t virtual_dp : {0, 1, 4, 16}) {
    for (const int64_t micro : {0, 1, 3}) {
      for (const int64_t ranks : {1, 2, 4}) {
        c.parallel.virtual_dp = virtual_dp, c.train.micro_batch = micro;
        if (!check(c, ranks).empty()) continue;
        const Layout l = layout(c, ranks);
        EXPECT_EQ(l.dp * l.micro_batch * l.micro_steps, 48);
        EXPECT_EQ(l.dp * l.tp, ranks);
        EXPECT_EQ(48 / std::max<int64_t>(1, virtual_dp) % l.micro_batch, 0);
      }
    }
  }
}

TEST(Layout, MicroBatchOfVirtualRanksDoesNotDependOnDp) {
  RunConfig c;
  c.train.global_batch = 16, c.parallel.virtual_dp = 4;
  for (const int64_t ranks : {1, 2, 4}) EXPECT_EQ(layout(c, ranks).micro_batch, 4);
}

TEST(Check, RowsAreGroupedByLengthWhereTheyArePaddedAndNotCutOtherwise) {
  RunConfig c;
  c.data.group_by_length = true;
  c.train.sequence_ramp = {{c.model.sequence / 2, 10}};
  EXPECT_THAT(check(c, 1), ElementsAre(HasSubstr("data.group_by_length is for data.mode = padded"),
                                       HasSubstr("leave one of them out")));
  c.data.mode = data::Mode::kPadded, c.train.sequence_ramp = {};
  EXPECT_THAT(check(c, 1), IsEmpty());
  c.model.heads = 3, c.model.hidden = 96, c.model.sequence = 96, c.model.ffn = 384, c.parallel.tp = 3;
  c.parallel.sequence_parallel = true;
  EXPECT_THAT(check(c, 3), testing::Contains(HasSubstr("multiples of 8 positions, which parallel.tp 3")));
}

TEST(CheckData, WantsOnePathOrABlend) {
  RunConfig c;
  c.data.path = "/", c.data.blend = {{"/", 1}, {"/nowhere/at/all", 2}};
  EXPECT_THAT(check_data(c), ElementsAre(HasSubstr("data.path and data.blend are both given"),
                                         HasSubstr("data.blend /nowhere/at/all is no directory")));
  c.data.path = "", c.data.blend.pop_back(), c.data.blend_temperature = 2, c.data.validation = {{"a", "/nowhere"}};
  EXPECT_THAT(check_data(c), ElementsAre(HasSubstr("data.validation /nowhere is no directory"),
                                         HasSubstr("data.blend_temperature is for a data.blend without shares")));
}

TEST(CheckData, WantsACommandForRemoteSources) {
  RunConfig c;
  c.data.path = "s3://bucket/web";
  EXPECT_THAT(check_data(c), ElementsAre(AllOf(HasSubstr("data.path s3://bucket/web is not of this machine"),
                                               HasSubstr("data.fetch"))));
  c.data.fetch = "aws s3 cp {src} {dst}";
  EXPECT_THAT(check_data(c), IsEmpty());
  c.data.path = "host:/data/web", c.data.fetch = "scp \"{src}\" here", c.data.cache_gb = 0, c.data.fetch_timeout = 0;
  EXPECT_THAT(check_data(c), ElementsAre(HasSubstr("{src} in quotes"), HasSubstr("has no {dst}"),
                                         HasSubstr("data.cache_gb is 0"), HasSubstr("data.fetch_timeout is 0")));
}

TEST(CheckData, NamesTheDirectoryAndHowToMakeOne) {
  RunConfig c;
  EXPECT_THAT(check_data(c), ElementsAre(AllOf(HasSubstr("data.path is not given"), HasSubstr("bessemer data build"))));
  c.data.path = "/nowhere/at/all";
  EXPECT_THAT(check_data(c), ElementsAre(HasSubstr("data.path /nowhere/at/all is no directory")));
  c.data.path = testing::TempDir();
  EXPECT_THAT(check_data(c), IsEmpty());
}

TEST(WithOrigins, AddsWhereTheNamedOptionsWereGiven) {
  const std::map<std::string, std::string> origins{
      {"train.steps", "run.ini:3"}, {"model.heads", "default"}, {"train.step", "x:1"}};
  EXPECT_THAT(with_origins({"train.steps 3 and model.heads 4", "nothing"}, origins),
              ElementsAre("train.steps 3 and model.heads 4 [train.steps: run.ini:3]", "nothing"));
}

TEST(Recipes, EveryIniFileLoadsAndFitsOneRank) {
  int found = 0;
  for (const auto& entry : std::filesystem::directory_iterator(tests::kSourceDir + "/configs")) {
    if (entry.path().extension() != ".ini") continue;
    ++found;
    const auto got = parse({entry.path().string(), "", {}, {}});
    EXPECT_THAT(got.problems, IsEmpty()) << entry.path();
    EXPECT_THAT(check(got.config, 0), IsEmpty()) << entry.path();
    EXPECT_THAT(check(got.config, 2), IsEmpty()) << entry.path();
    const bool from_a_model = entry.path().filename().string().starts_with("finetune-");  // run.init_from gives [model]
    EXPECT_EQ(got.origins.at("model.preset") == "default", from_a_model) << entry.path();
  }
  EXPECT_EQ(found, 6);
}

}  // namespace
}  // namespace bessemer::configs
