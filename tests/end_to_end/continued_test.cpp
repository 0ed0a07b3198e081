// A model of Hugging Face's goes in, is trained further on four ranks, and comes out: what it says here it says there.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "data/safetensors_writer.h"
#include "tests/support/paths.h"
#include "tests/support/process.h"
#include "tests/support/run_files.h"

namespace bessemer::launch {
namespace {

using tests::kBinary;

constexpr int64_t kSteps = 50, kWindows = 20;

class ContinuedModel : public testing::TestWithParam<const char*> {
 protected:
  std::string file(const std::string& name) const { return files_.file(name); }
  tests::Ended run(std::vector<std::string> words) const {
    words.insert(words.begin(), kBinary);
    return tests::Process(words, file("log")).wait();
  }
  /// dp 2 x tp 2, ZeRO-1, bf16.
  tests::Ended train() const {
    return tests::Process(
               tests::under_mpirun(
                   4, {kBinary, "train", file("imported/model.ini"), "--run.init_from=" + file("imported"),
                       "--run.dir=" + file("run"), "--data.path=" + data_, "--parallel.tp=2", "--parallel.zero",
                       "--parallel.device=cpu", "--parallel.threads=1", "--train.precision=bf16",
                       "--train.steps=" + std::to_string(kSteps), "--train.global_batch=8", "--train.eval_every=0",
                       "--optimizer.lr=3e-3", "--log.tensorboard=no"}),
               file("log"))
        .wait();
  }
  /// Over the first windows of the split val.
  double loss(const std::string& model) const {
    const auto ended = run({"eval", "--model", file(model), "--data", data_, "--windows", std::to_string(kWindows),
                            "--threads", "1", "--json"});
    EXPECT_EQ(ended.code, 0) << ended.text;
    return ended.code == 0 ? nlohmann::json::parse(ended.text)["loss"].get<double>() : 0;
  }
  /// The windows that loss() reads, as hf_loss.py takes them. \return  its path
  std::string windows() const {
    const auto corpus = data::Corpus::open(data_, "val", {kSequence});
    std::vector<int64_t> tokens(kWindows * (kSequence + 1));
    for (int64_t w = 0; w < kWindows; ++w)
      corpus->read_row(w, {std::span(tokens).subspan(w * (kSequence + 1), kSequence + 1), {}, {}});
    data::SafetensorsWriter out(file("windows.safetensors"), {{"windows", "I64", {kWindows, kSequence + 1}}});
    out.append(tokens.data(), tokens.size() * sizeof(int64_t));
    out.finish();
    return file("windows.safetensors");
  }

  static constexpr int64_t kSequence = 16;  // of the models of tests/oracles/hf
  tests::TemporaryDirectory files_;
  std::string data_ = tests::make_data(files_);  // of fewer characters than they have ids
};

TEST_P(ContinuedModel, SaysThereWhatItSaysHere) {
  const auto in = run({"import", tests::kSourceDir + "/tests/oracles/hf/" + GetParam(), "--out", file("imported")});
  ASSERT_EQ(in.code, 0) << in.text;
  const auto trained = train();
  ASSERT_EQ(trained.code, 0) << trained.text;
  const double before = loss("imported"), after = loss("run");
  EXPECT_LT(after, before - 0.5) << "it has learned nothing";
  const auto out = run({"export", "--model", file("run"), "--out", file("hf")});
  ASSERT_EQ(out.code, 0) << out.text;
  EXPECT_EQ(loss("hf"), after);

  const char* python = std::getenv("BESSEMER_ORACLE_PYTHON");
  const auto with_python = [&](std::vector<std::string> words) {
    words.insert(words.begin(), python);
    return tests::Process(words, file("log")).wait();
  };
  if (python == nullptr || with_python({"-c", "import transformers, safetensors"}).code != 0)
    GTEST_SKIP() << "the loss in transformers: BESSEMER_ORACLE_PYTHON is not set, or has none";
  const auto theirs = with_python({tests::kSourceDir + "/tests/oracles/hf_loss.py", file("hf"), windows()});
  ASSERT_EQ(theirs.code, 0) << theirs.text;
  std::printf("%s: loss %.7f before, %.7f after %d steps, %.7f in transformers\n", GetParam(), before, after,
              static_cast<int>(kSteps), std::stod(theirs.text));
  EXPECT_NEAR(std::stod(theirs.text) / after, 1.0, 1e-5);
}

INSTANTIATE_TEST_SUITE_P(Oracle, ContinuedModel, testing::Values("llama", "qwen3"));

}  // namespace
}  // namespace bessemer::launch
