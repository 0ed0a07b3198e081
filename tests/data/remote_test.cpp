#include "data/remote.h"

#include <gmock/gmock.h>
#include <signal.h>
#include <sys/wait.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "data/build.h"
#include "data/loader.h"
#include "data/mixture.h"
#include "tests/data/folder.h"

namespace bessemer::data {
namespace {

using testing::AllOf;
using testing::HasSubstr;
namespace fs = std::filesystem;

/// A data set of five training shards of 20 KB, "mirror://web", and the command that copies its files.
class Remote : public FolderTest {
 protected:
  Remote() {
    std::string text;
    for (int i = 0; text.size() < 48000; ++i) text += concat("line ", i * 7919 % 1000, i % 9 == 8 ? "\n\n" : "\n");
    BuildOptions build;
    build.inputs = {write("web.txt", text)}, build.out = at("store/web"), build.tokenizer = "bytes";
    build.shard_tokens = 10000, build.val_fraction = 0.1;
    data::build(build, [](const BuildProgress&) { return true; });
    options_.path = "mirror://web";
    options_.cache = at("cache");
    options_.fetch = copying("cp");
  }
  /// {src} without its scheme, in the store; every call is noted.
  std::string copying(const std::string& copy) const {
    return "s={src}; echo \"$s\" >> " + at("calls") + "; " + copy + " " + at("store/") + "\"${s#mirror://}\" {dst}";
  }
  DataOptions local() const {
    DataOptions options = options_;
    options.path = at("store/web"), options.fetch = "";
    return options;
  }
  int calls(const std::string& part) const {
    std::ifstream file(at("calls"));
    int n = 0;
    for (std::string line; std::getline(file, line);) n += line.find(part) != std::string::npos;
    return n;
  }
  uint64_t cached_bytes() const {
    uint64_t sum = 0;
    for (const auto& entry : fs::directory_iterator(at("cache/shards"))) sum += entry.file_size();
    return sum;
  }
  uint64_t shard_bytes() const { return fs::file_size(at("store/web") + "/" + shard_name("train", 0, 5)); }

  DataOptions options_;
};

std::vector<int64_t> epoch_of(const DataOptions& options, int64_t rows, uint64_t seed = 3) {
  const auto mixture = Mixture::open(options, 64, false);
  Loader loader(mixture.corpora(), {seed, mixture.sources()}, {0, 1, 8, {{}, 8}, 1}, 0);
  std::vector<int64_t> tokens;
  for (int64_t row = 0; row < rows; row += 8) {
    const auto got = loader.next().tokens;
    tokens.insert(tokens.end(), got.begin(), got.end());
  }
  return tokens;
}

TEST_F(Remote, GivesTheRowsOfTheDataSetItMirrors) {
  for (const Mode mode : {Mode::kStream, Mode::kPacked, Mode::kPadded}) {
    options_.mode = mode, options_.document_mask = mode == Mode::kStream;
    const auto here = Mixture::open(local(), 64, true), there = Mixture::open(options_, 64, true);
    ASSERT_EQ(there.rows(), here.rows());
    ASSERT_EQ(there.validation.size(), 1u);
    EXPECT_EQ(there.validation[0].corpus->rows(), here.validation[0].corpus->rows());
    EXPECT_EQ(there.tokenizer_sha256(), here.tokenizer_sha256());
    EXPECT_EQ(epoch_of(options_, here.rows() + 8), epoch_of(local(), here.rows() + 8));
  }
  EXPECT_EQ(calls("train-"), 5) << "each shard once";
  EXPECT_EQ(calls("dataset.json"), 1);
  EXPECT_EQ(tokenizer_of(options_)->kind(), "bytes");
  EXPECT_TRUE(fs::is_empty(at("cache/fetching")));
}

TEST_F(Remote, WhatIsNotReadIsNotFetched) {
  const auto mixture = Mixture::open(options_, 64, true);
  EXPECT_EQ(calls(".h5"), 0);
  std::vector<int64_t> row(65);
  mixture.train[0].corpus->read_row(0, {row, {}, {}});
  EXPECT_EQ(calls(".h5"), 1);
}

TEST_F(Remote, ACacheSmallerThanTheDataIsKeptSmallWhileRowsAreRead) {
  options_.cache_gb = 2.5e-9 * static_cast<double>(shard_bytes());
  const int64_t rows = 400;
  std::atomic<bool> done = false;
  uint64_t most = 0;
  std::thread watch([&] {
    while (!done) {
      try {
        most = std::max(most, cached_bytes());
      } catch (const fs::filesystem_error&) {  // removed as we look
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  });
  const auto got = epoch_of(options_, rows);
  done = true;
  watch.join();
  EXPECT_EQ(got, epoch_of(local(), rows));
  EXPECT_LE(most, options_.cache_gb * 1e9);
  EXPECT_GT(calls("train-"), 50) << "fetched again and again";
  EXPECT_LE(fs::exists(at("cache/shards")) ? cached_bytes() : 0, 2.5 * static_cast<double>(shard_bytes()));
}

TEST_F(Remote, TheLeastRecentlyUsedGoFirst) {
  options_.cache_gb = 3.2e-9 * static_cast<double>(shard_bytes());
  const auto read = [&](const std::vector<int64_t>& shards) {
    const auto mixture = Mixture::open(options_, 1, false);
    int64_t token = 0;
    for (const int64_t shard : shards) {
      std::vector<int64_t> row(2);
      mixture.train[0].corpus->read_row(shard * 10000, {row, {}, {}});
      token += row[0];
      std::this_thread::sleep_for(std::chrono::milliseconds(10));  // times of files
    }
  };
  read({0, 1, 2, 0, 3});  // 1 was used longest ago
  EXPECT_EQ(calls("train-"), 4);
  read({0, 2, 3});
  EXPECT_EQ(calls("train-"), 4);
  read({1});
  EXPECT_EQ(calls("train-"), 5);
}

TEST_F(Remote, ATooSmallCacheIsRefusedWithWhatItWouldTake) {
  options_.cache_gb = 1.5e-9 * static_cast<double>(shard_bytes());
  EXPECT_NO_THROW(Mixture::open(options_, 64, false));
  EXPECT_THAT(refusal([&] { Mixture::open(options_, 64, false, 2); }, ExitCode::kUsage),
              AllOf(HasSubstr("each of 2 processes"), HasSubstr("choose at least")));
}

TEST_F(Remote, WhatIsFetchedIsChecked) {
  const auto shard = "store/web/" + shard_name("train", 0, 5);
  std::string bytes = bytes_of(at(shard));
  bytes[bytes.size() / 2] ^= 1;
  write(shard, bytes);
  const auto open = [&] {
    const FetchCommand command{options_.fetch, 30, 2, std::chrono::milliseconds(10)};
    const auto cache = std::make_shared<ShardCache>(ShardCache::Options{command, options_.cache, 1 << 30});
    return open_remote(cache, options_.path, "train", BlockCheck::kTouch);
  };
  std::vector<int64_t> row(65);
  EXPECT_THAT(refusal([&] { open().read(0, row); }),
              AllOf(HasSubstr("mirror://web/train-00000-of-00005.h5: cannot be fetched"), HasSubstr("SHA-256 is")));
  EXPECT_TRUE(fs::is_empty(at("cache/shards")));
  EXPECT_TRUE(fs::is_empty(at("cache/fetching")));
  write("store/web/dataset.json", "{\"splits\": {}}");
  fs::remove_all(at("cache"));
  EXPECT_THAT(refusal(open), HasSubstr("mirror://web: no split 'train'"));
  fs::remove_all(at("cache"));
  write("store/web/dataset.json", "{\"splits\": ");
  EXPECT_THAT(refusal(open), HasSubstr("not the JSON that is expected"));
}

TEST_F(Remote, ADamagedCopyIsFetchedAgain) {
  const auto rows = epoch_of(options_, 80);
  for (const auto& entry : fs::directory_iterator(at("cache/shards"))) fs::resize_file(entry.path(), 100);
  EXPECT_EQ(epoch_of(options_, 80), rows);
}

// Processes of one host at once: each shard is fetched by one of them. One is killed in the middle of a fetch.
TEST_F(Remote, ProcessesShareWhatIsFetched) {
  const auto expected = epoch_of(local(), 160);
  options_.fetch = "sleep 0.05; " + copying("cp");
  const auto child = [&](const DataOptions& options) {
    const pid_t pid = fork();
    if (pid == 0) {
      bool good = false;
      try {
        good = epoch_of(options, 160) == expected;
      } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
      }
      _exit(good ? 0 : 1);
    }
    return pid;
  };
  auto hanging = options_;
  hanging.fetch = "echo part > {dst}; touch " + at("begun") + "; sleep 3; : {src}";
  const pid_t killed = child(hanging);
  while (!fs::exists(at("begun"))) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  kill(killed, SIGKILL);
  waitpid(killed, nullptr, 0);
  ASSERT_FALSE(fs::is_empty(at("cache/fetching")));
  std::vector<pid_t> readers;
  for (int i = 0; i < 3; ++i) readers.push_back(child(options_));
  for (const pid_t reader : readers) {
    int status = 0;
    waitpid(reader, &status, 0);
    EXPECT_EQ(status, 0);
  }
  EXPECT_EQ(calls("train-"), 5);
  EXPECT_EQ(calls("dataset.json"), 1);
}

// Three processes whose cache holds two shards: all go on, and it never holds more.
TEST_F(Remote, ProcessesShareASmallCache) {
  const auto expected = epoch_of(local(), 48);
  options_.cache_gb = 3.1e-9 * static_cast<double>(shard_bytes());
  std::vector<pid_t> readers;
  for (int i = 0; i < 3; ++i) {
    const pid_t pid = fork();
    if (pid == 0) {
      try {
        const auto mixture = Mixture::open(options_, 64, false, 3);
        Loader loader(mixture.corpora(), {3, mixture.sources()}, {0, 1, 48, {{}, 48}, 1}, 0);
        _exit(loader.next().tokens == expected ? 0 : 1);
      } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        _exit(2);
      }
    }
    readers.push_back(pid);
  }
  for (const pid_t reader : readers) {
    int status = 0;
    while (waitpid(reader, &status, WNOHANG) == 0) {
      uint64_t held = 0;
      try {
        held = cached_bytes();
        if (held != cached_bytes()) held = 0;  // one went and one came as we looked: it may count both
      } catch (const fs::filesystem_error&) {  // not there yet, or removed as we look
      }
      ASSERT_LE(held, options_.cache_gb * 1e9);
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    EXPECT_EQ(status, 0);
  }
}

TEST_F(Remote, PathsAreRemoteByTheirSchemeOrWhenTheyAreNotHere) {
  DataOptions without;
  EXPECT_TRUE(is_remote("s3://bucket/web", without));
  EXPECT_FALSE(is_remote("data/web", without));
  EXPECT_FALSE(is_remote("://x", without));
  EXPECT_FALSE(is_remote("a b://x", without));
  EXPECT_TRUE(is_remote("host:/data/web", options_));
  EXPECT_FALSE(is_remote(at("store/web"), options_));
}

}  // namespace
}  // namespace bessemer::data
