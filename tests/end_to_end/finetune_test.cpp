// Models of Hugging Face's that a run begins from, and conversations that it learns, by the real binary.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "data/file.h"
#include "data/safetensors.h"
#include "data/tokenizer.h"
#include "tests/support/paths.h"
#include "tests/support/process.h"
#include "tests/support/run_files.h"
#include "tests/support/temporary_directory.h"

namespace bessemer::launch {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using tests::kBinary;
using tests::under_mpirun;
using Words = std::vector<std::string>;

std::vector<float> numbers(const std::string& path, const std::string& name) {
  const auto file = data::Safetensors::open(path);
  const auto [rows, columns] = data::Safetensors::matrix(file.at(name));
  std::vector<float> out(static_cast<std::size_t>(rows * columns));
  file.read(name, {0, rows, 0, columns}, out.data());
  return out;
}

/// A llama of 37 tokens, and conversations in the tokens of a larger vocabulary.
class FineTune : public testing::Test {
 protected:
  static constexpr int kOld = 37;
  FineTune() {
    std::ofstream chats(files_.file("chats.jsonl"));
    for (int i = 0; i < 300; ++i) {
      const std::string word = i % 3 == 0 ? "height" : i % 3 == 1 ? "tower" : "metres";
      chats << nlohmann::json{{"messages",
                               {{{"role", "user"}, {"content", "What is " + std::to_string(i) + " " + word + "?"}},
                                {{"role", "assistant"}, {"content", "The " + word + "."}}}}}
            << "\n";
    }
    chats.close();
    built_ = run({kBinary, "data", "build", "--input", files_.file("chats.jsonl"), "--out", data(), "--tokenizer",
                  "hf:" + kOracles + "chat/bytes.json", "--template", "chatml", "--split", "hash", "--json"});
    EXPECT_EQ(built_.code, 0) << built_.text;
  }
  tests::Ended run(const Words& words) const { return tests::Process(words, files_.file("log")).wait(); }
  std::string data() const { return files_.file("data"); }
  std::string dir(const std::string& name) const { return files_.file(name); }
  Words train(const std::string& name, const Words& more = {}) const {
    Words words{kBinary,
                "train",
                tests::kSourceDir + "/configs/finetune-chat.ini",
                "--run.dir=" + dir(name),
                "--data.path=" + data(),
                "--run.init_from=" + source_,
                sequence_,
                "--train.precision=fp32",
                "--train.global_batch=4",
                "--train.eval_every=10",
                "--optimizer.warmup=2",
                "--parallel.device=cpu",
                "--parallel.threads=1"};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  /// A model's directory with a tokenizer of the oracles.
  std::string with_tokenizer(const std::string& name) const {
    std::filesystem::copy(kOracles + "hf/llama", dir(name), std::filesystem::copy_options::recursive);
    std::filesystem::copy_file(kOracles + "chat/" + name + ".json", dir(name) + "/tokenizer.json");
    return dir(name);
  }
  const std::string kOracles = tests::kSourceDir + "/tests/oracles/";
  std::string source_ = kOracles + "hf/llama";
  std::string sequence_ = "--model.sequence=64";
  tests::TemporaryDirectory files_;
  tests::Ended built_;
};

TEST_F(FineTune, OnConversationsTheLossIsThatOfAnswersAndFalls) {
  const auto ended = run(train("a", {"--train.steps=40", "--optimizer.lr=1e-2"}));
  ASSERT_EQ(ended.code, 0) << ended.text;
  EXPECT_THAT(ended.text, AllOf(HasSubstr("initial weights of " + source_), HasSubstr("0 left over"),
                                HasSubstr("vocabulary grew from 37 to 363: 326 new rows, the mean of the old ones")));
  const auto loss = tests::metric(dir("a"), "loss");
  EXPECT_LT(loss.at(40), loss.at(1) - 2) << "answers are three words";
  const auto built = nlohmann::json::parse(built_.text.substr(built_.text.find('{')));
  uint64_t counted = 0;
  for (const char* split : {"train", "val"}) {
    const auto eval = run({kBinary, "eval", "--model", dir("a"), "--data", data(), "--split", split, "--json"});
    ASSERT_EQ(eval.code, 0) << eval.text;
    const auto out = nlohmann::json::parse(eval.text.substr(eval.text.find('{')));
    counted += out.at("tokens").get<uint64_t>();
    EXPECT_LT(out.at("loss"), 1.5);
  }
  EXPECT_EQ(counted, built.at("loss_tokens").get<uint64_t>()) << "every token of an answer once, and no other";
  const auto answer = run({kBinary, "generate", "--model", dir("a"), "--template", "chatml", "--prompt",
                           "What is 4 tower?", "--temperature", "0", "--tokens", "20"});
  EXPECT_EQ(answer.code, 0);
  EXPECT_THAT(answer.text, HasSubstr("The")) << "as every answer that it has learned";
  std::ofstream(files_.file("ask.jsonl")) << R"({"messages": [{"role": "user", "content": "What is 4 tower?"}]})"
                                          << "\n";
  const auto line = run({kBinary, "generate", "--model", dir("a"), "--template", "chatml", "--input",
                         files_.file("ask.jsonl"), "--temperature", "0", "--tokens", "20"});
  ASSERT_EQ(line.code, 0) << line.text;
  const auto said = nlohmann::json::parse(line.text);
  EXPECT_EQ(said.at("text").get<std::string>() + "\n", answer.text);
  // What a run of its own needs is in its directory: the model's may be gone, and the shape stays.
  source_ = files_.file("gone");
  const auto on = run(train("a", {"--train.steps=42", "--optimizer.lr=1e-2"}));
  EXPECT_EQ(on.code, 0) << on.text;
  EXPECT_THAT(on.text, HasSubstr("resumed at step 40"));
  auto words = train("a", {"--train.steps=44", "--optimizer.lr=1e-2"});
  std::erase_if(words, [](const std::string& word) { return word.starts_with("--run.init_from"); });
  const auto further = run(words);
  EXPECT_EQ(further.code, 0) << further.text;
  EXPECT_THAT(further.text, HasSubstr("resumed at step 42"));
}

TEST_F(FineTune, NewRowsAreTheSameOnEveryLayout) {
  const Words still{"--train.steps=1", "--optimizer.lr=1e-30", "--optimizer.weight_decay=0", "--optimizer.min_lr=0"};
  ASSERT_EQ(run(train("one", still)).code, 0);
  Words split = still;
  split.push_back("--parallel.tp=2");
  const auto two = run(under_mpirun(2, train("two", split)));
  ASSERT_EQ(two.code, 0) << two.text;
  split.push_back("--parallel.zero");
  ASSERT_EQ(run(under_mpirun(4, train("four", split))).code, 0);
  for (const char* name : {"one", "two", "four"})
    ASSERT_EQ(run({kBinary, "export", "--model", dir(name), "--out", dir(name) + "-hf"}).code, 0);
  const auto told = nlohmann::json::parse(data::read_file(dir("one-hf") + "/tokenizer_config.json"));
  EXPECT_EQ(told.at("tokenizer_class"), "PreTrainedTokenizerFast");
  EXPECT_EQ(told.at("eos_token"), "<|endoftext|>");
  const auto one = data::read_file(dir("one-hf") + "/model.safetensors");
  EXPECT_TRUE(data::read_file(dir("two-hf") + "/model.safetensors") == one);
  EXPECT_TRUE(data::read_file(dir("four-hf") + "/model.safetensors") == one);
  EXPECT_NEAR(tests::metric(dir("two"), "loss").at(1), tests::metric(dir("one"), "loss").at(1), 1e-5);
  for (const char* name : {"model.embed_tokens.weight", "lm_head.weight"}) {
    const auto before = numbers(source_, name), after = numbers(dir("one-hf"), name);
    const std::size_t width = before.size() / kOld;
    for (std::size_t i = 0; i < after.size(); ++i) {
      double want = 0;
      for (std::size_t row = 0; row < kOld; ++row) want += static_cast<double>(before[row * width + i % width]) / kOld;
      ASSERT_FLOAT_EQ(after[i], i < before.size() ? before[i] : static_cast<float>(want)) << name << " " << i;
    }
  }
}

TEST_F(FineTune, WhatDisagreesWithTheModelIsNamedWithBothValues) {
  const auto ended =
      run(train("a", {"--model.layers=3", "--model.norm_eps=1e-5", "--model.heads=6", "--model.vocab=36"}));
  EXPECT_EQ(ended.code, 64);
  EXPECT_THAT(ended.text, AllOf(HasSubstr("model.layers is 3, and 2 in run.init_from"), HasSubstr("model.norm_eps is"),
                                HasSubstr("model.vocab is 36, and 37 in"), Not(HasSubstr("model.heads is"))));
  const auto shown =
      run({kBinary, "config", "show", "--run.init_from=" + source_, "--run.dir=" + dir("b"), "--origin"});
  EXPECT_THAT(shown.text, HasSubstr("hidden = 24  # run.init_from " + source_));
  const auto plan = run({kBinary, "plan", "--run.init_from=" + source_, "--run.dir=" + dir("b"), "--json"});
  EXPECT_THAT(plan.text, HasSubstr("\"parameters\": 7848")) << plan.text;
}

TEST_F(FineTune, DataOfAnotherTokenizerIsRefused) {
  source_ = with_tokenizer("metaspace");
  const auto refused = run(train("a", {"--train.steps=1"}));
  EXPECT_EQ(refused.code, 65);
  EXPECT_THAT(refused.text, AllOf(HasSubstr("another tokenizer"), HasSubstr("id 0 is \"<unk>\" there and \"!\" in"),
                                  HasSubstr("--tokenizer hf:" + source_)));
  source_ = with_tokenizer("bytes");
  const auto taken = run(train("b", {"--train.steps=1"}));
  EXPECT_EQ(taken.code, 0) << taken.text;
  EXPECT_EQ(run({kBinary, "data", "build", "--input", files_.file("chats.jsonl"), "--out", dir("again"), "--tokenizer",
                 "hf:" + source_, "--template", "llama3"})
                .code,
            0);
}

TEST_F(FineTune, AnExportKnowsItsTemplate) {
  source_ = with_tokenizer("bytes");
  nlohmann::json theirs{{"tokenizer_class", "PreTrainedTokenizerFast"}, {"chat_template", "another one"}};
  std::ofstream(source_ + "/tokenizer_config.json") << theirs;
  std::ofstream(source_ + "/special_tokens_map.json") << "{\"pad_token\": \"\xe9\"}";  // not UTF-8: left out
  std::ofstream(source_ + "/generation_config.json") << R"({"eos_token_id": 5, "top_k": 7})";
  ASSERT_EQ(run(train("a", {"--train.steps=1"})).code, 0);
  source_ = files_.file("gone");
  ASSERT_EQ(run(train("a", {"--train.steps=2"})).code, 0);  // a resume keeps them
  ASSERT_EQ(run({kBinary, "export", "--model", dir("a"), "--out", dir("hf")}).code, 0);
  const auto text = [&](const std::string& name) { return data::read_file(dir("hf") + "/" + name); };
  theirs.erase("chat_template");
  EXPECT_EQ(nlohmann::json::parse(text("tokenizer_config.json")), theirs)
      << "the model has learned this run's template";
  EXPECT_FALSE(std::filesystem::exists(dir("hf") + "/special_tokens_map.json"));
  EXPECT_THAT(text("chat_template.jinja"), HasSubstr("<|im_start|>"));
  const auto tokenizer = data::open_tokenizer_spec("hf:" + dir("hf"));
  const int64_t end = tokenizer->special_token("<|im_end|>");
  const auto generation = nlohmann::json::parse(text("generation_config.json"));
  EXPECT_EQ(generation, (nlohmann::json{{"eos_token_id", {5, end}}, {"top_k", 7}}));
}

TEST_F(FineTune, ATemplatesTokensCanBeAdded) {
  auto plain = nlohmann::json::parse(data::read_file(kOracles + "chat/bytes.json"));
  auto& added = plain.at("added_tokens");
  added.erase(
      std::remove_if(added.begin(), added.end(), [](const auto& t) { return t.at("content") != "<|endoftext|>"; }),
      added.end());
  std::ofstream(files_.file("plain.json")) << plain;
  Words words{kBinary,
              "data",
              "build",
              "--input",
              files_.file("chats.jsonl"),
              "--out",
              dir("small"),
              "--tokenizer",
              "hf:" + files_.file("plain.json"),
              "--template",
              "chatml",
              "--split",
              "hash"};
  const auto lacking = run(words);
  EXPECT_EQ(lacking.code, 65);
  EXPECT_THAT(lacking.text, HasSubstr("has not: <|im_start|>, <|im_end|>; `data build --add-tokens`"));
  words.emplace_back("--add-tokens");
  const auto made = run(words);
  ASSERT_EQ(made.code, 0) << made.text;
  const int64_t before = data::open_tokenizer_spec("hf:" + files_.file("plain.json"))->vocab_size();
  EXPECT_THAT(made.text, HasSubstr("the special token <|im_start|> (" + std::to_string(before) + ")"));
  EXPECT_EQ(data::open_tokenizer(dir("small"))->vocab_size(), before + 2);
  words.insert(words.end(), {"--field", "text"});
  EXPECT_THAT(run(words).text, HasSubstr("--field text: --template reads messages"));
}

TEST_F(FineTune, WeightsThatAreMissingPointToImport) {
  std::filesystem::copy(source_, dir("deeper"), std::filesystem::copy_options::recursive);
  std::string config = data::read_file(dir("deeper") + "/config.json");
  config.replace(config.find("\"num_hidden_layers\": 2"), 22, "\"num_hidden_layers\": 3");
  std::ofstream(dir("deeper") + "/config.json") << config;
  source_ = dir("deeper");
  const auto ended = run(train("a", {"--train.steps=1"}));
  EXPECT_EQ(ended.code, 65);
  EXPECT_THAT(ended.text,
              AllOf(HasSubstr("model.layers.2.mlp.gate_proj.weight is missing"), HasSubstr("bessemer import")));
}

TEST_F(FineTune, ARunsVocabularyGrowsToo) {
  source_ = kOracles + "hf/gpt2", sequence_ = "--model.sequence=16";  // a table of learned positions
  ASSERT_EQ(run({kBinary, "import", source_, "--out", dir("import")}).code, 0);
  source_ = dir("import");
  const auto grown = run(train("a", {"--train.steps=2", "--model.vocab=400"}));
  ASSERT_EQ(grown.code, 0) << grown.text;
  EXPECT_THAT(grown.text, HasSubstr("vocabulary grew from 37 to 400: 363 new rows"));
  source_ = dir("a");
  const auto again = run(train("b", {"--train.steps=2"}));
  ASSERT_EQ(again.code, 0) << again.text;
  EXPECT_THAT(again.text, AllOf(HasSubstr("(model 400)"), Not(HasSubstr("grew"))));
  sequence_ = "--model.sequence=8";
  const auto shorter = run(train("c", {"--train.steps=2"}));
  EXPECT_EQ(shorter.code, 64);
  EXPECT_THAT(shorter.text, HasSubstr("model.sequence is 8, and 16 in run.init_from"));
}

}  // namespace
}  // namespace bessemer::launch
