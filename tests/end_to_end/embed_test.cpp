// `bessemer embed` by the real binary: what tests/oracles/hf_embed.py says is the truth.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "data/file.h"
#include "data/hdf5.h"
#include "data/safetensors.h"
#include "tests/support/paths.h"
#include "tests/support/process.h"
#include "tests/support/temporary_directory.h"

namespace bessemer::launch {
namespace {

using testing::HasSubstr;
using tests::kBinary;

class Embedding : public testing::TestWithParam<const char*> {
 protected:
  std::string model() const { return tests::kSourceDir + "/tests/oracles/embed/" + GetParam(); }
  tests::Ended run(std::vector<std::string> more) const {
    more.insert(more.begin(), {kBinary, "embed", "--model", model(), "--input", model() + "/texts.txt"});
    return tests::Process(more, files_.file("log")).wait();
  }
  std::vector<float> truth(const std::string& name) const {
    const auto file = data::Safetensors::open(model() + "/embeddings.safetensors");
    const auto [rows, columns] = data::Safetensors::matrix(file.at(name));
    std::vector<float> out(static_cast<std::size_t>(rows * columns));
    file.read(name, {0, rows, 0, columns}, out.data());
    return out;
  }
  /// The numbers behind the header of a .npy.
  std::vector<float> npy(const std::string& path) const {
    const std::string bytes = data::read_file(path);
    const auto begin = bytes.find('\n') + 1;
    std::vector<float> out((bytes.size() - begin) / sizeof(float));
    std::memcpy(out.data(), bytes.data() + begin, out.size() * sizeof(float));
    return out;
  }
  static void expect_near(const std::vector<float>& got, const std::vector<float>& want) {
    ASSERT_EQ(got.size(), want.size());
    float largest = 0;
    for (const float x : want) largest = std::max(largest, std::abs(x));
    for (std::size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], want[i], 1e-5 * largest) << i;
  }
  tests::TemporaryDirectory files_;
};

TEST_P(Embedding, IsTheReferencesWhateverTheBatch) {
  const std::string out = files_.file("out.npy");
  for (const char* batch : {"1", "4", "32"}) {
    const auto ended = run({"--out", out, "--batch", batch});
    ASSERT_EQ(ended.code, 0) << ended.text;
    EXPECT_THAT(ended.text, HasSubstr("6 texts x 18, mean; 1 longer than 16 tokens, and cut"));
    expect_near(npy(out), truth("mean"));
  }
  ASSERT_EQ(run({"--out", out, "--pool", "cls"}).code, 0);
  expect_near(npy(out), truth("cls"));
}

TEST_P(Embedding, NormalizedGoesIntoAnHdf5FileToo) {
  const std::string out = files_.file("out.h5");
  const auto ended = run({"--out", out, "--normalize"});
  ASSERT_EQ(ended.code, 0) << ended.text;
  const data::Hdf5File file(out);
  std::vector<float> got(file.dataset("embeddings").elements());
  file.read("embeddings", 0, 6, data::Dtype::kF32, got.data());
  expect_near(got, truth("mean_normalized"));
}

TEST_P(Embedding, RefusesWhatLeavesNoRoomForAText) {
  const auto ended = run({"--out", files_.file("out.npy"), "--max-tokens", "2"});
  EXPECT_EQ(ended.code, 64);
  EXPECT_THAT(ended.text, HasSubstr("leaves no room for a text beside the 2 tokens around it"));
  EXPECT_THAT(run({"--out", files_.file("out.npy"), "--max-tokens", "17"}).text, HasSubstr("has 16 positions"));
}

INSTANTIATE_TEST_SUITE_P(Oracle, Embedding, testing::Values("bert", "roberta"));

TEST(EmbeddingOfAGpt, IsTheMeanOfItsTokens) {
  const tests::TemporaryDirectory files;
  const std::string model = tests::kSourceDir + "/tests/oracles/generate/gpt2", out = files.file("out.npy");
  std::ofstream(files.file("texts")) << "one text\nx\n";
  const auto run = [&](const char* batch) {
    EXPECT_EQ(tests::Process(
                  {kBinary, "embed", "--model", model, "--input", files.file("texts"), "--out", out, "--batch", batch},
                  files.file("log"))
                  .wait()
                  .code,
              0);
    return data::read_file(out);
  };
  EXPECT_EQ(run("1").size(), 128u + 2 * 18 * sizeof(float));
  const std::string alone = run("1"), together = run("2");
  for (std::size_t at = 128; at < alone.size(); at += sizeof(float)) {
    float a = 0, b = 0;
    std::memcpy(&a, &alone[at], sizeof a), std::memcpy(&b, &together[at], sizeof b);
    EXPECT_NEAR(a, b, 1e-5);
  }
}

TEST(EmbeddingOfAGpt, DoesNotReplaceItsInput) {
  const tests::TemporaryDirectory files;
  std::ofstream(files.file("texts.npy")) << "a text\n";
  const auto ended = tests::Process({kBinary, "embed", "--model", tests::kSourceDir + "/tests/oracles/generate/gpt2",
                                     "--input", files.file("texts.npy"), "--out", files.file("texts.npy")},
                                    files.file("log"))
                         .wait();
  EXPECT_EQ(ended.code, 64);
  EXPECT_EQ(data::read_file(files.file("texts.npy")), "a text\n");
}

TEST(EmbeddingOfAGpt, LeavesNothingWhereItIsStopped) {
  const tests::TemporaryDirectory files;
  std::ofstream texts(files.file("texts"));
  for (int i = 0; i < 100000; ++i) texts << "a text of some words\n";
  texts.close();
  const std::string out = files.file("out.npy");
  tests::Process embed({kBinary, "embed", "--model", tests::kSourceDir + "/tests/oracles/generate/gpt2", "--input",
                        files.file("texts"), "--out", out, "--batch", "1"},
                       files.file("log"));
  while (embed.running() && !std::filesystem::exists(out + ".tmp")) usleep(10000);
  ASSERT_TRUE(embed.running()) << embed.text();
  embed.signal(SIGINT);
  const auto ended = embed.wait();
  EXPECT_EQ(ended.code, 75) << ended.text;
  EXPECT_THAT(ended.text, HasSubstr("stopped; nothing was kept"));
  EXPECT_FALSE(std::filesystem::exists(out) || std::filesystem::exists(out + ".tmp"));
}

}  // namespace
}  // namespace bessemer::launch
