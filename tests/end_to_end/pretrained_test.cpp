// Models of Hugging Face's, in and out, by the real binary: what tests/oracles/hf_models.py has computed is the truth.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "data/file.h"
#include "data/safetensors.h"
#include "tests/support/paths.h"
#include "tests/support/process.h"
#include "tests/support/temporary_directory.h"

namespace bessemer::launch {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using tests::kBinary;
using tests::under_mpirun;

std::vector<float> numbers(const data::Safetensors& file, const std::string& name) {
  const auto [rows, columns] = data::Safetensors::matrix(file.at(name));
  std::vector<float> out(static_cast<std::size_t>(rows * columns));
  file.read(name, {0, rows, 0, columns}, out.data());
  return out;
}

float largest(const std::vector<float>& values) {
  float most = 0;
  for (const float v : values) most = std::max(most, std::abs(v));
  return most;
}

/// Largest difference, in terms of the largest entry of `scale`. (GPT-2's key biases, the middle third of c_attn.bias,
/// have no gradient but rounding: held against the whole tensor's largest they must be as small here as there.)
double distance(const std::vector<float>& ours, const std::vector<float>& theirs, const std::vector<float>& scale) {
  double most = 0;
  for (std::size_t i = 0; i < theirs.size(); ++i) most = std::max<double>(most, std::abs(ours.at(i) - theirs[i]));
  return most / largest(scale);
}

void expect_same_outputs(const std::string& ours_path, const std::string& theirs_path, double tolerance) {
  const auto ours = data::Safetensors::open(ours_path), theirs = data::Safetensors::open(theirs_path);
  EXPECT_EQ(ours.tensors().size(), theirs.tensors().size());
  for (const auto& tensor : theirs.tensors()) {
    ASSERT_NE(ours.find(tensor.name), nullptr) << tensor.name;
    EXPECT_EQ(ours.at(tensor.name).shape, tensor.shape) << tensor.name;
    std::string scale = tensor.name;
    if (const auto at = scale.find("key.bias"); at != std::string::npos)
      scale.replace(at, 3, "query");  // BERT's likewise
    EXPECT_LT(distance(numbers(ours, tensor.name), numbers(theirs, tensor.name), numbers(theirs, scale)), tolerance)
        << tensor.name;
  }
}

class PretrainedModel : public testing::TestWithParam<const char*> {
 protected:
  std::string oracle(const std::string& name = "") const {
    return tests::kSourceDir + "/tests/oracles/hf/" + GetParam() + (name.empty() ? "" : "/" + name);
  }
  std::vector<std::string> logits(const std::string& model, const std::vector<std::string>& more = {}) const {
    std::vector<std::string> words{kBinary,   "logits",  "--model",
                                   model,     "--batch", oracle("inputs.safetensors"),
                                   "--grads", "--out",   files_.file("out.safetensors")};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  tests::Ended run(const std::vector<std::string>& words) const {
    return tests::Process(words, files_.file("log")).wait();
  }
  tests::TemporaryDirectory files_;
};

TEST_P(PretrainedModel, HasTheLogitsLossAndGradientsOfTheReference) {
  const auto ended = run(logits(oracle()));
  ASSERT_EQ(ended.code, 0) << ended.text;
  expect_same_outputs(files_.file("out.safetensors"), oracle("outputs.safetensors"), 1e-5);
}

TEST_P(PretrainedModel, HasThemSplitOverTwoRanks) {
  const auto ended = run(under_mpirun(2, logits(oracle(), {"--parallel.tp=2"})));
  ASSERT_EQ(ended.code, 0) << ended.text;
  expect_same_outputs(files_.file("out.safetensors"), oracle("outputs.safetensors"), 1e-5);
}

TEST_P(PretrainedModel, HasThemSplitOverTwoRanksForEachOfItsRows) {
  const auto ended = run(under_mpirun(4, logits(oracle(), {"--parallel.tp=2"})));
  ASSERT_EQ(ended.code, 0) << ended.text;
  expect_same_outputs(files_.file("out.safetensors"), oracle("outputs.safetensors"), 1e-5);
}

// Units in the last place: 2^-8 of bf16, 2^-11 of fp16. Logits of two layers and the loss stay within a few of them.
TEST_P(PretrainedModel, HasTheLogitsAndLossIn16BitsAsFarAsTheyReach) {
  for (const auto& [dtype, unit] : std::vector<std::pair<std::string, double>>{{"bf16", 0x1p-8}, {"fp16", 0x1p-11}}) {
    const auto ended = run(logits(oracle(), {"--dtype", dtype}));
    ASSERT_EQ(ended.code, 0) << ended.text;
    const auto ours = data::Safetensors::open(files_.file("out.safetensors")),
               theirs = data::Safetensors::open(oracle("outputs.safetensors"));
    const std::string name = theirs.find("logits") != nullptr ? "logits" : "prediction_logits";
    const auto want = numbers(theirs, name);
    const double logits = distance(numbers(ours, name), want, want);
    const double loss = std::abs(numbers(ours, "loss")[0] / numbers(theirs, "loss")[0] - 1);
    std::printf("%-10s %s: logits %.1e of the largest, loss %.1e\n", GetParam(), dtype.c_str(), logits, loss);
    EXPECT_LT(logits, 8 * unit) << dtype;
    EXPECT_GT(logits, unit / 64) << dtype << ": computed in fp32?";
    EXPECT_LT(loss, 2 * unit) << dtype;
  }
}

TEST_P(PretrainedModel, GoesInAndComesOutByteForByte) {
  const auto in = run({kBinary, "import", oracle(), "--out", files_.file("run")});
  ASSERT_EQ(in.code, 0) << in.text;
  EXPECT_THAT(in.text, AllOf(HasSubstr("used"), HasSubstr("0 missing")));
  ASSERT_EQ(run(logits(files_.file("run"))).code, 0);
  expect_same_outputs(files_.file("out.safetensors"), oracle("outputs.safetensors"), 1e-5);
  const auto out = run({kBinary, "export", "--model", files_.file("run"), "--out", files_.file("hf")});
  ASSERT_EQ(out.code, 0) << out.text;
  for (const char* name : {"model.safetensors", "config.json"})
    EXPECT_EQ(data::read_file(files_.file(std::string("hf/") + name)), data::read_file(oracle(name))) << name;
  EXPECT_EQ(run({kBinary, "ckpt", "verify", files_.file("run"), "--deep"}).code, 0);
}

TEST_P(PretrainedModel, ComesOutInSeveralFilesAndInHalfPrecision) {
  const std::string hf = files_.file("hf"), again = files_.file("again");
  const auto out =
      run({kBinary, "export", "--model", oracle(), "--out", hf, "--dtype", "bf16", "--shard-bytes", "4000"});
  ASSERT_EQ(out.code, 0) << out.text;
  EXPECT_TRUE(std::filesystem::exists(hf + "/model.safetensors.index.json"));
  EXPECT_THAT(data::read_file(hf + "/config.json"), HasSubstr("bfloat16"));
  ASSERT_EQ(run({kBinary, "import", hf, "--out", files_.file("run")}).code, 0);
  ASSERT_EQ(run({kBinary, "export", "--model", files_.file("run"), "--out", again}).code, 0);
  const auto first = data::Safetensors::open(hf), second = data::Safetensors::open(again);
  EXPECT_EQ(first.tensors().size(), second.tensors().size());
  for (const auto& tensor : first.tensors()) {
    EXPECT_EQ(second.at(tensor.name).dtype, "BF16");
    EXPECT_EQ(first.bytes(tensor.name), second.bytes(tensor.name)) << tensor.name;
  }
}

TEST(PretrainedBatch, IsNotSharedByMoreRanksThanItHasRows) {
  const tests::TemporaryDirectory files;
  const std::string oracle = tests::kSourceDir + "/tests/oracles/hf/llama";
  const auto words = under_mpirun(4, {kBinary, "logits", "--model", oracle, "--batch", oracle + "/inputs.safetensors",
                                      "--out", files.file("out.safetensors")});
  const auto ended = tests::Process(words, files.file("log")).wait();
  EXPECT_EQ(ended.code, 64);
  EXPECT_THAT(ended.text, HasSubstr("the batch has 2 rows, fewer than the 4 groups"));
}

TEST(PretrainedNames, AreRefusedByTheBinaryWhereNobodyExplainsThem) {
  const tests::TemporaryDirectory files;
  const std::string oracle = tests::kSourceDir + "/tests/oracles/hf/llama";
  std::filesystem::create_directory(files.file("hf"));
  std::filesystem::copy_file(oracle + "/model.safetensors", files.file("hf/model.safetensors"));
  std::string config = data::read_file(oracle + "/config.json");
  config.replace(config.find("\"num_hidden_layers\": 2"), 22, "\"num_hidden_layers\": 3");
  std::ofstream(files.file("hf/config.json")) << config;
  const auto import = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {kBinary, "import", files.file("hf"), "--out", files.file("run")});
    return tests::Process(more, files.file("log")).wait();
  };
  const auto refused = import({});
  EXPECT_EQ(refused.code, 65);
  EXPECT_THAT(refused.text, HasSubstr("model.layers.2.mlp.gate_proj.weight is missing"));
  const auto taken = import({"--allow-missing", "model.layers.2.*"});
  EXPECT_EQ(taken.code, 0) << taken.text;
  EXPECT_THAT(taken.text, AllOf(HasSubstr("9 missing"), HasSubstr("h.2.mlp.gate.weight: initial values, of the seed")));
  const auto resumed = tests::Process({kBinary, "train", files.file("run/model.ini"), "--run.dir=" + files.file("run"),
                                       "--data.path=" + files.file("none")},
                                      files.file("log"))
                           .wait();
  EXPECT_NE(resumed.code, 0);
}

TEST(PretrainedRoberta, CountsPositionsAsTheReferenceOrRefuses) {
  const tests::TemporaryDirectory files;
  const auto logits = [&](const std::string& ids) {
    return tests::Process({kBinary, "logits", "--model", tests::kSourceDir + "/tests/oracles/hf/roberta", "--ids", ids,
                           "--out", files.file("out.safetensors")},
                          files.file("log"))
        .wait();
  };
  EXPECT_EQ(logits("5,6,7").code, 0);
  const auto refused = logits("5,1,7");
  EXPECT_EQ(refused.code, 65);
  EXPECT_THAT(refused.text, HasSubstr("the padding 1 is not just where attention_mask has 0"));
}

INSTANTIATE_TEST_SUITE_P(Oracle, PretrainedModel,
                         testing::Values("gpt2", "llama", "llama-tied", "llama-3", "mistral", "qwen2", "qwen3", "bert",
                                         "roberta"));

}  // namespace
}  // namespace bessemer::launch
