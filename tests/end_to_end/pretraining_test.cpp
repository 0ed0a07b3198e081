// BERT pretraining from a Hugging Face model's weights: the batches that a run saw, fed to that model, give its losses.
#include <gtest/gtest.h>

#include <cctype>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tests/support/paths.h"
#include "tests/support/process.h"
#include "tests/support/run_files.h"

namespace bessemer::launch {
namespace {

using tests::kBinary;

class Pretraining : public testing::TestWithParam<const char*> {
 protected:
  Pretraining() {
    std::filesystem::create_directories(file("texts"));
    for (uint64_t i = 0; i < 12; ++i)
      std::ofstream(file("texts/" + std::to_string(i) + ".txt")) << tests::some_text(200, i + 1);
    std::ofstream vocab(file("vocab.txt"));
    for (const char* special : {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "."}) vocab << special << "\n";
    for (const char* prefix : {"", "##"}) {
      for (char c = '0'; c <= 'z'; ++c) {
        if (std::isdigit(c) || std::islower(c)) vocab << prefix << c << "\n";
      }
    }
  }
  std::string file(const std::string& name) const { return files_.file(name); }
  tests::Ended run(const std::vector<std::string>& words) const { return tests::Process(words, file("log")).wait(); }
  /// From `model`, a directory of Hugging Face's that was imported, or, where it is "", from the seed.
  std::vector<std::string> train(const std::string& pairs, const std::string& model, const std::string& dir) const {
    std::vector<std::string> words{kBinary, "train"};
    if (!model.empty()) words.push_back(model + "/model.ini");
    for (const char* word : {"--model.family=bert", "--model.sequence=64", "--model.segments=2"}) {
      if (model.empty()) words.emplace_back(word);
    }
    words.insert(words.end(),
                 {"--data.objective=masked", "--data.mask_unit=word", "--data.pairs=" + pairs,
                  pairs == "none" ? "--model.pair_head=no" : "--model.pair_head=yes", "--data.path=" + file("data"),
                  "--run.dir=" + dir, "--parallel.threads=1", "--parallel.device=cpu", "--train.steps=20",
                  "--train.global_batch=8", "--train.micro_batch=2", "--train.eval_every=0", "--optimizer.lr=2e-3",
                  "--optimizer.warmup=5", "--log.tensorboard=no"});
    if (!model.empty()) words.push_back("--run.init_from=" + model);
    return words;
  }
  void build() const {
    const auto built = run({kBinary, "data", "build", "--input", file("texts"), "--out", file("data"), "--tokenizer",
                            "wordpiece:" + file("vocab.txt"), "--sentences"});
    ASSERT_EQ(built.code, 0) << built.text;
  }
  std::vector<double> losses(const std::string& dir) const {
    std::vector<double> out;
    std::ifstream lines(dir + "/metrics.jsonl");
    for (std::string line; std::getline(lines, line);) {
      const auto step = nlohmann::json::parse(line);
      if (step.contains("loss")) out.push_back(step["loss"].get<double>());
    }
    return out;
  }
  tests::TemporaryDirectory files_;
};

TEST_P(Pretraining, ReadsTheSameBatchesOnTwoRanks) {
  build();
  const auto one = run(train(GetParam(), "", file("one")));
  ASSERT_EQ(one.code, 0) << one.text;
  const auto two = run(tests::under_mpirun(2, train(GetParam(), "", file("two"))));
  ASSERT_EQ(two.code, 0) << two.text;
  const auto a = losses(file("one")), b = losses(file("two"));
  ASSERT_EQ(a.size(), 20u);
  ASSERT_EQ(b.size(), 20u);
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(b[i] / a[i], 1.0, 1e-5) << "step " << i + 1;
  const auto eval = run({kBinary, "eval", "--model", file("one"), "--data", file("data"), "--threads", "1", "--json"});
  ASSERT_EQ(eval.code, 0) << eval.text;
  const auto said = nlohmann::json::parse(eval.text);
  const bool pairs = said.contains("pair_loss");
  EXPECT_EQ(pairs, std::string(GetParam()) != "none");
  const double tokens = said.at(pairs ? "mlm_loss" : "loss"), both = tokens + said.value("pair_loss", 0.0);
  EXPECT_NEAR(said.at("loss").get<double>(), both, 1e-9);
  EXPECT_NEAR(said.at("perplexity").get<double>(), std::exp(tokens), 1e-6);
}

TEST_P(Pretraining, LossesAreHuggingFaces) {
  const char* python = std::getenv("BESSEMER_ORACLE_PYTHON");
  if (python == nullptr || run({python, "-c", "import transformers, safetensors"}).code != 0)
    GTEST_SKIP() << "BESSEMER_ORACLE_PYTHON is not set, or has no transformers";
  build();
  const std::string script = tests::kSourceDir + "/tests/oracles/hf_pretraining.py";
  const auto made = run({python, script, "make", file("hf"), file("vocab.txt")});
  ASSERT_EQ(made.code, 0) << made.text;
  const auto in = run({kBinary, "import", file("hf"), "--out", file("imported")});
  ASSERT_EQ(in.code, 0) << in.text;
  const auto trained = run(train(GetParam(), file("imported"), file("run")));
  ASSERT_EQ(trained.code, 0) << trained.text;
  const auto checked = run({python, script, "check", file("run"), file("hf"), kBinary});
  EXPECT_EQ(checked.code, 0) << checked.text;
  std::printf("%s: %s", GetParam(), checked.text.substr(checked.text.rfind("greatest")).c_str());
}

INSTANTIATE_TEST_SUITE_P(Pairs, Pretraining, testing::Values("none", "next-sentence", "sentence-order"),
                         [](const auto& one) { return std::string(one.param).substr(0, 4); });

}  // namespace
}  // namespace bessemer::launch
