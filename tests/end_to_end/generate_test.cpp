// `bessemer generate` by the real binary: what tests/oracles/hf_generate.py says is the truth.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "data/file.h"
#include "tests/support/paths.h"
#include "tests/support/process.h"
#include "tests/support/temporary_directory.h"

namespace bessemer::launch {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using tests::kBinary;

class GeneratedText : public testing::TestWithParam<const char*> {
 protected:
  std::string model() const { return tests::kSourceDir + "/tests/oracles/generate/" + GetParam(); }
  json truth() const { return json::parse(data::read_file(model() + "/generated.json")); }
  std::vector<std::string> words(std::vector<std::string> more) const {
    more.insert(more.begin(), {kBinary, "generate", "--model", model(), "--temperature", "0", "--threads", "1"});
    return more;
  }
  std::string input() const {
    std::ofstream out(files_.file("prompts.jsonl"));
    const json all = truth();
    int id = 7;
    for (const auto& one : all["cases"]) out << json{{"prompt", one["prompt"]}, {"id", id++}} << "\n\n";
    return files_.file("prompts.jsonl");
  }
  tests::Ended run(const std::vector<std::string>& all) const { return tests::Process(all, files_.file("log")).wait(); }
  std::vector<json> lines(const std::string& text) const {
    std::vector<json> all;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) all.push_back(json::parse(line));
    return all;
  }
  void expect_lines(const std::vector<json>& got, const std::string& key) const {
    const json all = truth();
    ASSERT_EQ(got.size(), all["cases"].size());
    for (std::size_t i = 0; i < got.size(); ++i) {
      EXPECT_EQ(got[i]["tokens"], all["cases"][i][key]);
      EXPECT_EQ(got[i]["text"], all["cases"][i][key + "_text"]);
      EXPECT_EQ(got[i]["id"], 7 + i);
      EXPECT_EQ(got[i]["finish"], "length");
    }
  }
  tests::TemporaryDirectory files_;
};

TEST_P(GeneratedText, IsTheReferencesOverTwoHundredTokens) {
  const json all = truth();
  for (const auto& one : all["cases"]) {
    const auto ended = run(words({"--prompt", one["prompt"], "--tokens", "200", "--json"}));
    ASSERT_EQ(ended.code, 0) << ended.text;
    const json said = json::parse(ended.text);
    EXPECT_EQ(said["tokens"], one["greedy"]);
    EXPECT_EQ(said["text"], one["greedy_text"]);
  }
}

TEST_P(GeneratedText, OfABatchIsThatOfEachPromptAlone) {
  const std::string penalty = truth()["repetition_penalty"].dump();
  const auto ended = run(words({"--input", input(), "--batch", "2", "--repetition-penalty", penalty}));
  ASSERT_EQ(ended.code, 0) << ended.text;
  expect_lines(lines(ended.text), "penalized");
}

TEST_P(GeneratedText, IsTheSameOnTwoRanks) {
  const std::string out = files_.file("out.jsonl");
  const auto ended =
      run(tests::under_mpirun(2, words({"--input", input(), "--out", out, "--batch", "3", "--parallel.tp=2"})));
  ASSERT_EQ(ended.code, 0) << ended.text;
  expect_lines(lines(data::read_file(out)), "greedy");
  const json one = truth()["cases"][0];
  const auto spoken = run(tests::under_mpirun(2, words({"--prompt", one["prompt"], "--parallel.tp=2"})));
  EXPECT_EQ(spoken.text, one["prompt"].get<std::string>() + one["greedy_text"].get<std::string>() + "\n");
}

TEST_P(GeneratedText, EndsBeforeAStopString) {
  const json one = truth()["cases"][2];
  const std::string text = one["penalized_text"], stop = text.substr(50, 5), kept = text.substr(0, text.find(stop));
  const std::vector<std::string> more{"--prompt",
                                      one["prompt"],
                                      "--stop",
                                      stop,
                                      "--stop",
                                      "\x01",
                                      "--repetition-penalty",
                                      truth()["repetition_penalty"].dump()};
  EXPECT_EQ(run(words(more)).text, one["prompt"].get<std::string>() + kept + "\n");
  auto with_json = more;
  with_json.emplace_back("--json");
  const json said = json::parse(run(words(with_json)).text);
  EXPECT_EQ(said["text"], kept);
  EXPECT_EQ(said["finish"], "stop");
  EXPECT_EQ(said["tokens"].size(), kept.size() + stop.size());
}

INSTANTIATE_TEST_SUITE_P(Oracle, GeneratedText, testing::Values("gpt2", "llama", "mistral"));

class GenerateInput : public testing::Test {
 protected:
  tests::Ended run(std::vector<std::string> more) const {
    more.insert(more.begin(), {kBinary, "generate", "--model", tests::kSourceDir + "/tests/oracles/generate/gpt2"});
    return tests::Process(more, files_.file("log")).wait();
  }
  std::string input(const std::string& text) const {
    std::ofstream(files_.file("in.jsonl")) << text;
    return files_.file("in.jsonl");
  }
  tests::TemporaryDirectory files_;
};

TEST_F(GenerateInput, RefusesALineWithoutAPrompt) {
  const auto ended = run({"--input", input("{\"prompt\": \"a\"}\n{\"text\": \"b\"}\n")});
  EXPECT_EQ(ended.code, 65);
  EXPECT_THAT(ended.text, HasSubstr("in.jsonl:2: '{\"text\": \"b\"}': a JSON object with a text \"prompt\""));
  const std::string deep = std::string(300000, '[') + std::string(300000, ']');
  const auto nested = run({"--input", input("{\"prompt\": \"a\", \"x\": " + deep + "}\n")});
  EXPECT_EQ(nested.code, 65) << nested.text;
}

TEST_F(GenerateInput, KeepsTheFieldsOfALineAsTheyWereWritten) {
  const std::string line = R"({"prompt": "a", "id": 18446744073709551616, "x" : [1.0000000000000000001]})";
  const auto ended = run({"--input", input(line + "\n"), "--tokens", "3", "--temperature", "0"});
  ASSERT_EQ(ended.code, 0) << ended.text;
  EXPECT_THAT(ended.text, testing::StartsWith(line.substr(0, line.size() - 1) + ",\"text\":"));
  EXPECT_EQ(json::parse(ended.text)["tokens"].size(), 3u);
  const auto again = run({"--input",
                          input(R"({"text": "old", "prompt": "a"})"
                                "\n"),
                          "--tokens", "3", "--temperature", "0"});
  EXPECT_EQ(json::parse(again.text)["text"], json::parse(ended.text)["text"]);
}

TEST_F(GenerateInput, SaysHowMuchOfALongPromptIsSeen) {
  const auto ended = run({"--prompt", std::string(3000, 'a'), "--tokens", "1"});
  EXPECT_EQ(ended.code, 0);
  EXPECT_THAT(ended.text, testing::ContainsRegex("the prompt has [0-9]+ tokens; the model sees the last "));
}

TEST_F(GenerateInput, EachLineHasASeedOfItsOwn) {
  const auto ended =
      run({"--input", input("{\"prompt\": \"a\"}\n{\"prompt\": \"a\"}\n"), "--tokens", "30", "--seed", "5"});
  ASSERT_EQ(ended.code, 0) << ended.text;
  std::istringstream lines(ended.text);
  std::string first, second;
  std::getline(lines, first), std::getline(lines, second);
  const auto text = [](const std::string& line) { return json::parse(line)["text"].get<std::string>(); };
  EXPECT_NE(text(first), text(second));
  for (const auto& [seed, line] : {std::pair{"5", first}, {"6", second}})
    EXPECT_EQ(run({"--prompt", "a", "--tokens", "30", "--seed", seed}).text, "a" + text(line) + "\n");
}

}  // namespace
}  // namespace bessemer::launch
