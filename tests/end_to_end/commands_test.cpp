// What comes after a training: the other commands on its directory, as processes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <regex>
#include <sstream>

#include "data/token_shard.h"
#include "tests/support/paths.h"
#include "tests/support/small_run.h"

namespace bessemer::launch {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class Commands : public testing::Test {
 protected:
  tests::Ended run(std::vector<std::string> words) {
    words.insert(words.begin(), tests::kBinary);
    return files_.run(words);
  }
  tests::SmallRun files_;
};

TEST_F(Commands, ATrainedModelSpeaksAndIsEvaluated) {
  const std::string dir = files_.dir("a");
  ASSERT_EQ(files_.run(tests::under_mpirun(2, files_.train("a", {"--train.steps=60", "--parallel.tp=2"}))).code, 0);
  const auto speak = [&](const std::string& seed) {
    return run(
        {"generate", "--model", dir, "--prompt", "the model", "--tokens", "30", "--seed", seed, "--threads", "1"});
  };
  const auto text = speak("1");
  EXPECT_EQ(text.code, 0);
  EXPECT_THAT(text.text, StartsWith("the model"));
  EXPECT_EQ(text.text.size(), std::string("the model").size() + 30 + 1);
  EXPECT_EQ(speak("1").text, text.text);
  EXPECT_NE(speak("2").text, text.text);
  const auto json = nlohmann::json::parse(
      run({"generate", "--model", tests::checkpoint_path(dir, 60), "--prompt", "the", "--tokens", "4", "--json"}).text);
  EXPECT_EQ(json["step"], 60);
  EXPECT_EQ(json["tokens"].size(), 4u);

  // Evaluation in the run is over the first windows of the shuffled split, here over all of it: near, not equal.
  const auto eval = nlohmann::json::parse(run({"eval", "--model", dir, "--data", files_.data(), "--json"}).text);
  EXPECT_NEAR(eval["loss"].get<double>(), tests::metric(dir, "eval_loss").at(60), 0.2);
  EXPECT_NEAR(eval["bits_per_byte"].get<double>(), eval["loss"].get<double>() / std::log(2.0),
              1e-9);  // a byte a character
  EXPECT_THAT(run({"eval", "--model", dir, "--data", files_.data(), "--split", "train", "--windows", "3"}).text,
              StartsWith("loss "));
  EXPECT_THAT(run({"ckpt", "list", dir}).text, HasSubstr("step-0000000060"));
  EXPECT_EQ(run({"ckpt", "verify", dir}).code, 0);
  EXPECT_THAT(run({"ckpt", "info", dir}).text, HasSubstr("60"));
}

TEST_F(Commands, WhatARankSeesIsItsPartOfTheStep) {
  ASSERT_EQ(files_.run(files_.train("a", {"--train.steps=3", "--data.mode=packed"})).code, 0);
  const auto show = [&](const std::vector<std::string>& more) {
    std::vector<std::string> words{"data", "show", files_.dir("a"), "--json"};
    words.insert(words.end(), more.begin(), more.end());
    return run(words).text;
  };
  const std::string whole = show({"--step", "3"});
  EXPECT_EQ(std::count(whole.begin(), whole.end(), '\n'), 4);
  EXPECT_EQ(show({"--step", "3", "--rank", "0", "--ranks", "2"}) + show({"--step", "3", "--rank", "1", "--ranks", "2"}),
            whole);
  const auto first = nlohmann::json::parse(whole.substr(0, whole.find('\n')));
  EXPECT_EQ(first["row"], 8);
  EXPECT_EQ(first["epoch"], 0);
  int64_t positions = 0;
  for (const auto& document : first["documents"]) positions += document["tokens"].get<int64_t>();
  EXPECT_EQ(positions, 16);
  EXPECT_NE(show({"--step", "2"}), whole);
  EXPECT_THAT(show({"--step", "3", "--rank", "2", "--ranks", "2"}), HasSubstr("is none of the 2 ranks"));
  EXPECT_THAT(show({"--step", "4"}), HasSubstr("the run has 3 steps"));
  EXPECT_THAT(show({}), HasSubstr("is a run: give --step"));
}

TEST_F(Commands, ADataSetElsewhereGivesTheSameRun) {
  const std::string here = tests::make_data(files_.files(), "mine", 5, 1000, 700),
                    fetch = "cp " + here.substr(0, here.size() - 4) + "{src} {dst}";
  const std::vector<std::string> common{"--train.steps=6", "--train.eval_every=3",
                                        "--data.cache=" + files_.dir("cache")};
  const auto train = [&](const std::string& name, std::vector<std::string> options) {
    options.insert(options.end(), common.begin(), common.end());
    return tests::under_mpirun(2, files_.train(name, options));
  };
  ASSERT_EQ(files_.run(train("near", {"--data.path=" + here})).code, 0);
  const auto far = files_.run(train("far", {"--data.path=mine", "--data.fetch=" + fetch}));
  ASSERT_EQ(far.code, 0) << far.text;
  EXPECT_EQ(tests::difference(files_.dir("far"), files_.dir("near"), 6), "");
  // The command stands in the run's files, and these may come from anybody.
  const auto show = [&](const std::string& name, const std::vector<std::string>& more) {
    std::vector<std::string> words{"data", "show", files_.dir(name), "--step", "3", "--ids"};
    words.insert(words.end(), more.begin(), more.end());
    return run(words);
  };
  const auto refused = show("far", {});
  EXPECT_EQ(refused.code, 64);
  EXPECT_THAT(refused.text, testing::AllOf(HasSubstr("fetched its data with: " + fetch), HasSubstr("--fetch")));
  EXPECT_EQ(std::regex_replace(show("far", {"--fetch", fetch}).text, std::regex("of mine,"), "of " + here + ","),
            show("near", {}).text);
  const auto failed = files_.run(files_.train("x", {"--data.path=mine", "--data.fetch=false {src} {dst}", common[0],
                                                    "--data.cache=" + files_.dir("other cache")}));
  EXPECT_EQ(failed.code, 69);
  EXPECT_THAT(failed.text,
              testing::AllOf(HasSubstr("mine/dataset.json: cannot be fetched"), HasSubstr("exit status 1")));
}

// Documents of 2 to 17 tokens; dropout is on: the positions of a step decide its masks.
TEST_F(Commands, RowsGroupedByLengthTrainTheSameOnAnyDpAndAfterAResume) {
  const std::string lines = files_.dir("lines.txt");
  std::ofstream file(lines);
  for (int i = 0; i < 400; ++i)
    file << std::string(static_cast<std::size_t>(1 + i * i % 16), static_cast<char>('a' + i % 7)) << "\n";
  file.close();
  ASSERT_EQ(run({"data", "build", "--input", lines, "--documents", "lines", "--out", files_.dir("short"), "--tokenizer",
                 "bytes", "--val-fraction", "0.1"})
                .code,
            0);
  const auto train = [&](const std::string& name, const std::string& steps) {
    return files_.train(name, {"--data.path=" + files_.dir("short"), "--data.mode=padded", "--data.group_by_length=yes",
                               "--parallel.virtual_dp=2", "--checkpoint.every=7", "--train.steps=" + steps});
  };
  ASSERT_EQ(files_.run(train("one", "20")).code, 0);
  ASSERT_EQ(files_.run(tests::under_mpirun(2, train("two", "20"))).code, 0);
  ASSERT_EQ(files_.run(tests::under_mpirun(2, train("resumed", "14"))).code, 0);
  ASSERT_EQ(files_.run(train("resumed", "20")).code, 0);
  const auto tensors = [&](const char* name) {
    return tests::checkpoint_tensors(tests::checkpoint_path(files_.dir(name), 20));
  };
  for (const char* other : {"two", "resumed"}) {
    EXPECT_EQ(tests::metric(files_.dir(other), "loss"), tests::metric(files_.dir("one"), "loss")) << other;
    EXPECT_EQ(tensors(other), tensors("one")) << other;
  }
}

TEST_F(Commands, OfASourceWithALossMaskOnlyTheWantedTokensCount) {
  const std::string other = tests::make_data(files_.files(), "other", 5, 1000),
                    path = other + "/" + data::shard_name("train", 0, 1);
  const data::TokenShard plain(path);
  std::vector<int64_t> ids(plain.facts().tokens);
  plain.read(0, ids);
  auto facts = plain.facts();
  facts.loss_mask = true;
  data::TokenShardWriter writer(path, facts);
  std::vector<uint8_t> mask(ids.size());
  for (std::size_t i = 0; i < mask.size(); ++i) mask[i] = i % 10 < 3;
  writer.append(std::vector<uint32_t>(ids.begin(), ids.end()), mask);
  writer.finish();
  for (const char* mode : {"stream", "packed"}) {
    const std::string name = std::string("masked ") + mode;
    ASSERT_EQ(files_
                  .run(files_.train(name, {"--data.path", "", "--data.blend=1 " + files_.data() + ", 1 " + other,
                                           std::string("--data.mode=") + mode, "--train.steps=4"}))
                  .code,
              0);
    const auto tokens = tests::metric(files_.dir(name), "tokens");
    for (int64_t step = 2; step <= 4; ++step) {
      int64_t counted = 0, masked = 0;
      std::istringstream lines(run({"data", "show", files_.dir(name), "--step", std::to_string(step), "--json"}).text);
      for (std::string line; std::getline(lines, line);) {
        if (!line.starts_with('{')) continue;  // a note
        const auto row = nlohmann::json::parse(line);
        for (const auto& document : row["documents"]) {
          counted += document["counted"].get<int64_t>();
          for (const int wanted : document["loss_mask"]) masked += wanted == 0;
        }
      }
      EXPECT_EQ(tokens.at(step) - tokens.at(step - 1), counted);
      EXPECT_GT(masked, 10);
    }
  }
}

TEST_F(Commands, WhatAStepSawIsToldAfterTheBlendHasChanged) {
  const std::string other = tests::make_data(files_.files(), "other", 5, 1000);
  const auto train = [&](const std::string& blend, int64_t steps, const std::string& keep) {
    return files_.run(
        files_.train("a", {"--data.path", "", "--data.blend=" + blend, "--checkpoint.every=2", "--train.eval_every=0",
                           "--train.steps=" + std::to_string(steps), "--checkpoint.keep=" + keep}));
  };
  const auto show = [&] { return run({"data", "show", files_.dir("a"), "--json", "--step", "3"}).text; };
  ASSERT_EQ(train("1 " + files_.data() + ", 1 " + other, 4, "9").code, 0);
  const std::string then = show();
  ASSERT_THAT(then, HasSubstr("other"));
  const auto more = train(files_.data(), 8, "9");
  ASSERT_EQ(more.code, 0) << more.text;
  EXPECT_EQ(show(), then);
  // Data that lie elsewhere now.
  namespace fs = std::filesystem;
  const std::string moved = files_.dir("moved") + "/" + fs::path(files_.data()).filename().string();
  fs::create_directories(files_.dir("moved"));
  fs::rename(files_.data(), moved);
  EXPECT_THAT(show(), HasSubstr("say with --data where it is"));
  const auto with = [&](const std::vector<std::string>& places) {
    std::vector<std::string> words{"data", "show", files_.dir("a"), "--json", "--step", "3", "--data"};
    words.insert(words.end(), places.begin(), places.end());
    return run(words);
  };
  EXPECT_EQ(with({moved, other}).text, then);
  const auto exchanged = with({other, moved});
  EXPECT_EQ(exchanged.code, 65);
  EXPECT_THAT(exchanged.text, HasSubstr("--data " + other + " holds dataset "));
  EXPECT_THAT(with({moved}).text, HasSubstr("--data names 1 directories, and the run reads 2 (`data.blend = "));
  const std::string foreign = tests::make_data(files_.files(), "foreign", 9, 1000);
  EXPECT_EQ(with({foreign, foreign}).code, 65);
  fs::rename(moved, files_.data());
  ASSERT_EQ(train(files_.data(), 10, "1").code, 0);
  EXPECT_THAT(show(), HasSubstr("what step 3 saw cannot be told")) << "no checkpoint of then is left";
}

TEST_F(Commands, AnImportedFileTrainsAsTheShardsItCameFrom) {
  const std::vector<std::string> options{"--train.steps=5", "--train.eval_every=0"};
  ASSERT_EQ(files_.run(files_.train("own", options)).code, 0);
  const auto own = tests::metric_bits(files_.dir("own"));
  ASSERT_FALSE(own.empty());
  for (const auto& [format, ending] :
       std::vector<std::pair<std::string, std::string>>{{"megatron", ""}, {"nanogpt", ".bin"}, {"llmc", ".bin"}}) {
    const std::string file = files_.files().file(format + ending), shards = files_.files().file("from-" + format);
    const auto out = run({"data", "export", "--to", format, "--data", files_.data(), "--out", file});
    ASSERT_EQ(out.code, 0) << out.text;
    const auto in = run({"data", "import", "--from", format, "--input", format == "megatron" ? file + ".bin" : file,
                         "--tokenizer", "data:" + files_.data(), "--out", shards});
    ASSERT_EQ(in.code, 0) << in.text;
    auto more = options;
    more.push_back("--data.path=" + shards);
    const auto ended = files_.run(files_.train(format, more));
    ASSERT_EQ(ended.code, 0) << ended.text;
    EXPECT_EQ(tests::metric_bits(files_.dir(format)), own) << format;
  }
}

TEST_F(Commands, RefuseWithTheirWholeNameAndNothingOnStdout) {
  ASSERT_EQ(files_.run(files_.train("a", {"--train.steps=2"})).code, 0);
  struct Case {
    std::vector<std::string> words;
    int code;
    std::string says;
  };
  const std::string dir = files_.dir("a"), other = tests::make_data(files_.files(), "other", 9);
  for (const auto& c : std::vector<Case>{
           {{"generate", "--model", files_.dir("none"), "--prompt", "x"}, 65, "there is no such directory"},
           {{"generate", "--model", dir, "--prompt", "\u00dc"}, 65, "is not among the 25 characters"},
           {{"generate", "--model", dir, "--prompt", "the", "--temperature", "-1"}, 64, "temperature is -1"},
           {{"generate", "--model", dir, "--prompt", "the", "--tokns", "3"}, 64, "did you mean --tokens?"},
           {{"generate", "--model", dir}, 64, "give either --prompt TEXT or --input FILE"},
           {{"generate", "--model", dir, "--prompt", "the", "--out", "x"},
            64,
            "--out is where the lines of --input go"},
           {{"generate", "--model", dir, "--prompt", "the", "--repetition-penalty", "0"},
            64,
            "repetition-penalty is 0"},
           {{"generate", "--model", dir, "--prompt", "the", "--parallel.tp", "2"}, 64, "start it with mpirun -n 2"},
           {{"generate", "--model", dir, "--prompt", "the", "--stop", ""}, 64, "--stop is empty"},
           {{"generate", "--model", dir, "--input", files_.dir("none")}, 65, "there is no such file"},
           {{"generate", "--model", dir, "--input", files_.ini(), "--out", files_.ini()}, 64, "is the file of --input"},
           {{"generate", "--model", dir, "--input", files_.dir("none"), "--out", files_.ini()}, 65, "there is no such"},
           {{"embed", "--model", dir, "--input", files_.ini(), "--out", files_.dir("x.csv")}, 64, "choose a name that"},
           {{"embed", "--model", dir, "--input", files_.ini(), "--out", files_.dir("x.npy"), "--pool", "cls"},
            64,
            "--pool cls is for a bert"},
           {{"eval", "--model", dir, "--data", files_.data(), "--split", "test"}, 65, "no shards of split 'test'"},
           {{"eval", "--model", dir, "--data", files_.dir("none")}, 65, "none"},
           {{"data", "info", files_.dir("none")}, 65, "in: bessemer data info\n"},
           {{"ckpt", "info", files_.dir("none")}, 65, "in: bessemer ckpt info\n"},
           {{"plan", "--model.vocab=10", "--model.heads=5"}, 64, "cannot be split over model.heads 5"}}) {
    const auto ended = run(c.words);
    EXPECT_EQ(ended.code, c.code) << c.words[0] << ": " << ended.text;
    EXPECT_THAT(ended.text, HasSubstr(c.says));
    EXPECT_THAT(ended.text, StartsWith("error: "));
  }
  const auto ended =
      files_.run(tests::under_mpirun(2, {tests::kBinary, "generate", "--model", dir, "--prompt", "the"}));
  EXPECT_EQ(ended.code, 64) << ended.text;
  EXPECT_THAT(ended.text, HasSubstr("parallel.tp"));
}

TEST_F(Commands, PlanAndTrainRefuseAlikeAndAgreeOnTheLayout) {
  for (const auto& bad : std::vector<std::string>{"--parallel.tp=3", "--train.global_batch=3", "--parallel.dp=3",
                                                  "--train.micro_batch=3"}) {
    const auto plan = run({"plan", files_.ini(), "--ranks", "2", bad});
    const auto train = files_.run(tests::under_mpirun(2, files_.train("a", {bad})));
    EXPECT_EQ(plan.code, 64) << bad;
    EXPECT_EQ(train.code, 64) << bad;
    EXPECT_EQ(plan.text.substr(0, plan.text.find("\n  in:")), train.text.substr(0, train.text.find("\n  in:"))) << bad;
  }
  const auto json = nlohmann::json::parse(
      run({"plan", files_.ini(), "--ranks", "4", "--parallel.tp=2", "--parallel.zero", "--json"}).text);
  EXPECT_EQ(json["dp"], 2);
  EXPECT_EQ(json["tokens_per_step"], 64);
  EXPECT_GT(json["rank_memory_total"].get<int64_t>(), 0);
}

TEST_F(Commands, PlanTellsWhatRecomputeSavesAndThatFlopsStay) {
  const auto plan = [&](const std::string& recompute) {
    return nlohmann::json::parse(
        run({"plan", files_.ini(), "--model.layers=8", "--model.recompute=" + recompute, "--json"}).text);
  };
  const auto kept = plan("none"), again = plan("full");
  EXPECT_LT(again["rank_memory_total"].get<int64_t>(), kept["rank_memory_total"].get<int64_t>());
  EXPECT_EQ(again["flops_per_token"], kept["flops_per_token"]);
  EXPECT_THAT(run({"plan", files_.ini(), "--model.recompute=full"}).text, HasSubstr("each layer runs forward twice"));
  EXPECT_THAT(run({"plan", files_.ini()}).text, Not(HasSubstr("twice")));
}

TEST_F(Commands, HelpOfEachBeginsWithAnExampleAndItsOptionsExist) {
  const std::string names = run({"help"}).text;
  std::smatch found;
  std::string rest = names.substr(names.find("commands:"));
  int count = 0;
  for (const std::regex line("\n  ([a-z]+( [a-z]+)?)  "); std::regex_search(rest, found, line);
       rest = "\n" + rest.substr(static_cast<std::size_t>(found.position(0) + found.length(0)))) {
    std::istringstream words(found[1].str());
    std::vector<std::string> command{std::istream_iterator<std::string>(words), {}};
    command.push_back("--help");
    const auto help = run(command);
    EXPECT_EQ(help.code, 0);
    EXPECT_THAT(help.text, StartsWith("example:\n  bessemer " + found[1].str())) << found[1];
    ++count;
  }
  EXPECT_GE(count, 13);
  // Every option that train's help shows is taken with the default that it shows.
  const std::string help = run({"train", "--help"}).text;
  const std::regex option("--([a-z_]+\\.[a-z0-9_]+)=[^\n]*\\(default ([^)]*)\\)\n");
  std::vector<std::string> words{"config", "show"};
  for (auto at = std::sregex_iterator(help.begin(), help.end(), option); at != std::sregex_iterator(); ++at) {
    if (!(*at)[2].str().empty() && (*at)[2] != "none") words.push_back("--" + (*at)[1].str() + "=" + (*at)[2].str());
  }
  EXPECT_GT(words.size(), 40u);
  EXPECT_EQ(run(words).text, run({"config", "show"}).text);
}

}  // namespace
}  // namespace bessemer::launch
