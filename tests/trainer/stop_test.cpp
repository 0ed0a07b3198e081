#include "trainer/stop.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/temporary_directory.h"
#include "trainer/files.h"

namespace bessemer::trainer {
namespace {

TEST(Stop, IsAskedForBySignals) {
  for (const auto& [number, name] :
       {std::pair{SIGUSR1, "SIGUSR1"}, {SIGTERM, "SIGTERM"}, {SIGINT, "Ctrl-C"}, {SIGHUP, "SIGHUP"}}) {
    StopRequests stop(true);
    EXPECT_EQ(stop.poll(), "");
    raise(number);
    EXPECT_EQ(stop.poll(), name);
    EXPECT_EQ(stop.poll(), name);  // it stays asked for
  }
}

TEST(Stop, IsAskedForByAFileThatIsThenGone) {
  tests::TemporaryDirectory dir;
  StopRequests stop(true);
  stop.watch(dir.file("stop"));
  EXPECT_EQ(stop.poll(), "");
  write_text_synced(dir.file("stop"), "");
  EXPECT_EQ(stop.poll(), "the file " + dir.file("stop"));
  EXPECT_FALSE(exists(dir.file("stop")));
  EXPECT_NE(stop.poll(), "");
}

void (*handler_of(int number))(int) {
  struct sigaction now {};
  sigaction(number, nullptr, &now);
  return now.sa_handler;
}

TEST(Stop, GivesTheHandlersBack) {
  const auto before = handler_of(SIGUSR1);
  {
    StopRequests stop(false);
    EXPECT_NE(handler_of(SIGUSR1), before);
    EXPECT_EQ(handler_of(SIGTERM), SIG_DFL);  // mpirun's own ending stays as it is
  }
  EXPECT_EQ(handler_of(SIGUSR1), before);
}

TEST(Stop, MayHearWhatEndsAProcessOnlyOnceItWatches) {
  tests::TemporaryDirectory dir;
  StopRequests stop(true, /*early=*/false);
  EXPECT_EQ(handler_of(SIGTERM), SIG_DFL);
  stop.watch(dir.file("stop"));
  EXPECT_NE(handler_of(SIGTERM), SIG_DFL);
}

TEST(Stop, LeavesAHangUpIgnoredThatNohupIgnores) {
  const auto before = signal(SIGHUP, SIG_IGN);
  {
    StopRequests stop(true);
    EXPECT_EQ(handler_of(SIGHUP), SIG_IGN);
  }
  EXPECT_EQ(handler_of(SIGHUP), SIG_IGN);
  signal(SIGHUP, before);
}

TEST(Stop, ASecondCtrlCEndsTheProcess) {
  const pid_t child = fork();
  if (child == 0) {
    StopRequests stop(true);
    raise(SIGINT);
    if (stop.poll() != "Ctrl-C") _exit(1);
    raise(SIGINT);
    _exit(2);
  }
  int status = 0;
  waitpid(child, &status, 0);
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(WTERMSIG(status), SIGINT);
}

}  // namespace
}  // namespace bessemer::trainer
