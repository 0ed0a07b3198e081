#pragma once
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "data/token_shard.h"
#include "parallel/error.h"

namespace bessemer::data {

/// A test with a folder of its own, which goes when the test ends.
class FolderTest : public testing::Test {
 protected:
  FolderTest() {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    std::string name = concat("bessemer-", getpid(), "-", test->test_suite_name(), "-", test->name());
    std::replace(name.begin(), name.end(), '/', '-');  // of parametrised tests
    folder_ = std::filesystem::temp_directory_path() / name;
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  ~FolderTest() override { std::filesystem::remove_all(folder_); }

  std::string folder() const { return folder_; }
  std::string at(const std::string& name) const { return folder_ / name; }
  std::string write(const std::string& name, const std::string& text) const {
    std::filesystem::create_directories((folder_ / name).parent_path());
    std::ofstream(folder_ / name, std::ios::binary) << text;
    return folder_ / name;
  }
  static std::string bytes_of(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  /// The message of the Error (65) that `act` throws; fails the test where it throws none.
  template <class Act>
  static std::string refusal(Act act, ExitCode code = ExitCode::kBadData) {
    try {
      act();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code) << error.what();
      return error.what();
    }
    ADD_FAILURE() << "no error was thrown";
    return "";
  }

 private:
  std::filesystem::path folder_;
};

/// Facts of a shard as a build would state them.
inline ShardFacts facts_for(uint32_t vocab_size, uint32_t index = 0, uint32_t count = 1,
                            const std::string& split = "train") {
  ShardFacts facts;
  facts.split = split;
  facts.index = index;
  facts.count = count;
  facts.dataset_id = std::string(32, 'a');
  facts.tokenizer_name = facts.tokenizer_kind = "bytes";
  facts.tokenizer_sha256 = std::string(64, 'b');
  facts.vocab_size = vocab_size;
  return facts;
}

inline std::vector<uint32_t> ids_of(std::size_t n, uint32_t vocab_size) {
  std::vector<uint32_t> ids(n);
  for (std::size_t i = 0; i < n; ++i) ids[i] = static_cast<uint32_t>((i * 2654435761u >> 7) % vocab_size);
  return ids;
}

}  // namespace bessemer::data
