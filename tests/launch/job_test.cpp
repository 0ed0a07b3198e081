#include "launch/job.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/small_run.h"

// run_job ends a process's MPI, so its tests are processes.
namespace bessemer::launch {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(Job, OfOneProcessThatShouldBeManyIsRefused) {
  const tests::SmallRun files;
  auto words = files.train("a");
  words.insert(words.begin(), {"env", "WORLD_SIZE=4"});
  const auto ended = files.run(words);
  EXPECT_EQ(ended.code, 69) << ended.text;
  EXPECT_THAT(ended.text, HasSubstr("WORLD_SIZE says that 4 processes were started, but MPI sees only this one"));
  EXPECT_THAT(ended.text, HasSubstr("mpirun -n 4 bessemer"));
}

TEST(Job, WhereAllRanksFailAlikeOneSpeaks) {
  const tests::SmallRun files;
  const auto ended = files.run(tests::under_mpirun(3, files.train("a", {"--train.global_batch=4", "--train.stpes=3"})));
  EXPECT_EQ(ended.code, 64);
  const auto first = ended.text.find("error: ");
  ASSERT_NE(first, std::string::npos) << ended.text;
  EXPECT_EQ(ended.text.find("error: ", first + 1), std::string::npos) << ended.text;
  EXPECT_THAT(ended.text, HasSubstr("did you mean train.steps?"));
  EXPECT_THAT(ended.text, Not(HasSubstr("rank 1")));
}

}  // namespace
}  // namespace bessemer::launch
