#include "data/fetch.h"

#include <gmock/gmock.h>

#include <thread>

#include "data/file.h"
#include "tests/data/folder.h"

namespace bessemer::data {
namespace {

using std::chrono::milliseconds;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

class Fetch : public FolderTest {
 protected:
  Fetch() { std::filesystem::create_directories(at("work")); }
  std::string fetched(const std::string& command, const std::string& source, double timeout = 30) {
    return fetch({command, timeout, 3, milliseconds(10)}, source, at("work"), [this](const std::string& path) {
      checked.push_back(read_file(path));
      BESSEMER_CHECK_DATA(checked.back() == "whole", "it is not whole");
    });
  }
  std::vector<std::string> checked;
};

TEST_F(Fetch, QuotesWhatItPutsIn) {
  EXPECT_EQ(command_line("a {src} b {dst} {other} {src}", "it's {dst}", "$(x) y"),
            "a 'it'\\''s {dst}' b '$(x) y' {other} 'it'\\''s {dst}'");
}

TEST_F(Fetch, RunsTheUsersCommand) {
  const auto source = write("a b'c $(touch oops)/f.h5", "whole");
  const auto path = fetched("cp {src} {dst}", source);
  EXPECT_EQ(bytes_of(path), "whole");
  EXPECT_EQ(std::filesystem::path(path).filename(), "f.h5");
}

TEST_F(Fetch, TriesAgain) {
  const auto source = write("f", "whole");
  const std::string twice =
      "echo . >> " + at("tries") + "; test $(wc -l < " + at("tries") + ") -ge 3 && cp {src} {dst}";
  fetched(twice, source);
  EXPECT_EQ(bytes_of(at("tries")), ".\n.\n.\n");
}

TEST_F(Fetch, ACopyThatIsNotGoodIsFetchedAgain) {
  const auto source = write("f", "whole");
  const std::string cut = "test -e " + at("cut") + " && cp {src} {dst} || head -c 3 {src} > {dst}; touch " + at("cut");
  fetched(cut, source);
  EXPECT_THAT(checked, ElementsAre("who", "whole"));
  EXPECT_THAT(refusal([&] { fetched("head -c 3 {src} > {dst}", source); }),
              AllOf(HasSubstr(source + ": cannot be fetched, after 3 tries"), HasSubstr("it is not whole")));
}

TEST_F(Fetch, ACommandThatFailsIsNamedWithItsLastWords) {
  EXPECT_THAT(refusal([&] { fetched("seq 100; echo no such bucket >&2; exit 7; {src} {dst}", "s3://b/f"); },
                      ExitCode::kEnvironment),
              AllOf(HasSubstr("s3://b/f: cannot be fetched, after 3 tries"), HasSubstr("exit 7; 's3://b/f' '"),
                    HasSubstr("ended with exit status 7"), HasSubstr("it said: 99|100|no such bucket;")));
  EXPECT_THAT(refusal([&] { fetched("kill -9 $$ {src} {dst}", "s3://b/f"); }, ExitCode::kEnvironment),
              AllOf(HasSubstr("ended by signal 9"), HasSubstr("it said nothing")));
  EXPECT_THAT(refusal([&] { fetched("true {src} {dst}", "s3://b/f"); }, ExitCode::kEnvironment),
              HasSubstr("made no file at {dst}"));
}

TEST_F(Fetch, ACommandThatStallsIsEndedWithAllItStarted) {
  const auto begin = std::chrono::steady_clock::now();
  const std::string stalls = "sh -c 'echo $$ >> " + at("pids") + "; exec sleep 100' ; : {src} {dst}";
  EXPECT_THAT(refusal([&] { fetched(stalls, "s3://b/f", 0.3); }, ExitCode::kEnvironment),
              AllOf(HasSubstr("copied nothing for 0.3 s (data.fetch_timeout)"), HasSubstr("after 3 tries")));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20));
  std::ifstream pids(at("pids"));
  const auto runs = [](int pid) { return std::filesystem::exists(concat("/proc/", pid, "/exe")); };
  for (int pid = 0; pids >> pid;) {  // a killed process may take its time to be gone
    for (int i = 0; i < 500 && runs(pid); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    EXPECT_FALSE(runs(pid)) << pid;
  }
}

TEST_F(Fetch, CanBeStopped) {
  const auto stop = std::make_shared<std::atomic<bool>>(false);
  FetchCommand command{"touch " + at("begun") + "; sleep 100; : {src} {dst}"};
  command.stop = stop;
  std::thread stopper([&] {
    while (!std::filesystem::exists(at("begun"))) std::this_thread::sleep_for(milliseconds(1));
    *stop = true;
  });
  EXPECT_THAT(refusal([&] { fetch(command, "s3://b/f", at("work"), [](const std::string&) {}); }, ExitCode::kStopped),
              HasSubstr("s3://b/f: its fetch was stopped"));
  stopper.join();
  FetchCommand failing{"exit 1; : {src} {dst}"};  // its pause before the next try ends too
  failing.first_pause = std::chrono::hours(1), failing.stop = stop;
  EXPECT_THAT(refusal([&] { fetch(failing, "s3://b/f", at("work"), [](const std::string&) {}); }, ExitCode::kStopped),
              HasSubstr("stopped"));
}

TEST_F(Fetch, ACommandThatGoesOnMayTakeLongerThanThat) {
  const auto source = write("f", "whole");
  fetched("for i in 1 2 3 4 5 6; do echo x >> {dst}.part; sleep 0.2; done; cp {src} {dst}", source, 0.6);
}

}  // namespace
}  // namespace bessemer::data
