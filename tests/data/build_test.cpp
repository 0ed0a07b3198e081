#include "data/build.h"

#include <gmock/gmock.h>

#include <barrier>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <thread>

#include "data/corpus.h"
#include "data/shard_set.h"
#include "data/tokenizer.h"
#include "tests/data/folder.h"

namespace bessemer::data {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class BuildTest : public FolderTest {
 protected:
  BuildResult run(const BuildOptions& options) const {
    return run_with(options, [](const BuildProgress&) { return true; });
  }
  BuildResult run_with(BuildOptions options, const std::function<bool(const BuildProgress&)>& progress) const {
    if (options.out.empty()) options.out = at("out");
    return build(options, progress);
  }
  /// All tokens of a split, back as text.
  std::string text_of(const std::string& split, const std::string& out = "out") const {
    const auto tokenizer = open_tokenizer(at(out));
    std::string text;
    for (const auto& shard : open_shards(at(out), split)) {
      std::vector<int64_t> ids(shard.facts().tokens);
      shard.read(0, ids);
      for (const int64_t id : ids) text += tokenizer->token(static_cast<uint32_t>(id));
      shard.verify();
    }
    return text;
  }
  std::vector<int64_t> offsets_of(const std::string& shard) const {
    const Hdf5File file(at(shard));
    std::vector<int64_t> offsets(file.dataset("doc_offsets").elements());
    file.read("doc_offsets", 0, offsets.size(), Dtype::kI64, offsets.data());
    return offsets;
  }
};

TEST_F(BuildTest, TheTailBecomesTheValidationSplitAsInNanoGpt) {
  const std::string text = "To be, or not to be: that is the question.";
  const auto result = run({{write("a.txt", text)}, "", "chars", 0.1});
  EXPECT_EQ(result.split_tokens.at("train"), static_cast<uint64_t>(static_cast<double>(text.size()) * 0.9));
  EXPECT_EQ(text_of("train") + text_of("val"), text);
  EXPECT_EQ(text_of("train").size(), result.split_tokens.at("train"));
  EXPECT_EQ(result.vocab_size, std::set<char>(text.begin(), text.end()).size());
  EXPECT_THAT(splits_of(at("out")), testing::ElementsAre("train", "val"));
}

TEST_F(BuildTest, TextLongerThanAPieceComesBackWithBothTokenizers) {
  std::string text;
  while (text.size() < 3 << 20) text += "aö€😀b";  // characters cross the pieces' borders
  const std::string path = write("a.txt", text);
  for (const char* tokenizer : {"bytes", "chars"}) {
    run({{path}, at(tokenizer), tokenizer, 0});
    EXPECT_TRUE(text_of("train", tokenizer) == text) << tokenizer;
    EXPECT_THAT(splits_of(at(tokenizer)), testing::ElementsAre("train"));
  }
  EXPECT_EQ(Corpus::open(at("chars"), "train", {10})->vocab_size(), 5);
}

TEST_F(BuildTest, DirectoriesAreReadInTheOrderOfTheirPaths) {
  write("in/b.txt", "2"), write("in/a/z.txt", "1"), write("in/c.md", "3"), write("in/.git/x.txt", "hidden");
  write("in/image.png", std::string("\x89PNG\0\1", 6)), write("in/empty.txt", "");
  const auto result = run({{at("in")}, "", "bytes", 0});
  EXPECT_EQ(text_of("train"), "123");
  EXPECT_EQ(result.documents, 3u);
  EXPECT_THAT(result.skipped, testing::ElementsAre(HasSubstr("image.png")));
  EXPECT_EQ(offsets_of("out/train-00000-of-00001.h5"), (std::vector<int64_t>{0, 1, 2, 3}));
}

TEST_F(BuildTest, DocumentsGoOnInTheNextShard) {
  run({{write("a.jsonl", "{\"text\": \"abcde\"}\n\n{\"text\": \"\"}\n{\"text\": \"fgh\"}\r\n{\"text\": \"i\"}")},
       "",
       "bytes",
       0,
       4});
  EXPECT_EQ(text_of("train"), "abcdefghi");
  EXPECT_EQ(offsets_of("out/train-00000-of-00003.h5"), (std::vector<int64_t>{0, 4}));
  EXPECT_EQ(offsets_of("out/train-00001-of-00003.h5"), (std::vector<int64_t>{0, 1, 4}));
  EXPECT_EQ(offsets_of("out/train-00002-of-00003.h5"), (std::vector<int64_t>{0, 1}));
  const auto shards = open_shards(at("out"), "train");
  EXPECT_FALSE(shards[0].facts().continues);
  EXPECT_TRUE(shards[1].facts().continues);
  EXPECT_FALSE(shards[2].facts().continues);
}

TEST_F(BuildTest, EqualInputsGiveEqualShardsAndOtherOptionsAnotherBuild) {
  const std::string path = write("a.txt", std::string(50000, 'x') + "y");
  const auto first = run({{path}, at("one"), "chars"}), second = run({{path}, at("two"), "chars"});
  EXPECT_EQ(first.dataset_id, second.dataset_id);
  for (const char* shard : {"train-00000-of-00001.h5", "val-00000-of-00001.h5", "tokenizer/tokenizer.json"}) {
    EXPECT_TRUE(bytes_of(at("one/") + shard) == bytes_of(at("two/") + shard)) << shard;
  }
  EXPECT_NE(run({{path}, at("three"), "chars", 0.2}).dataset_id, first.dataset_id);
  EXPECT_NE(run({{path}, at("four"), "bytes"}).dataset_id, first.dataset_id);
}

TEST_F(BuildTest, AnExistingDirectoryIsReplacedOnlyWhenAsked) {
  const std::string path = write("a.txt", "some text of ours");
  EXPECT_FALSE(run({{path}}).already_there);
  EXPECT_TRUE(run({{path}}).already_there);
  BuildOptions other{{path}, at("out/"), "chars"};
  EXPECT_THAT(refusal([&] { run(other); }, ExitCode::kUsage),
              AllOf(HasSubstr("another data set"), HasSubstr("--overwrite")));
  EXPECT_EQ(open_tokenizer(at("out"))->kind(), "bytes");
  other.overwrite = true;
  run(other);
  EXPECT_EQ(open_tokenizer(at("out"))->kind(), "chars");
  other.out = folder();  // holds files that are not a data set
  EXPECT_THAT(refusal([&] { run(other); }, ExitCode::kUsage), HasSubstr("no data set"));
  EXPECT_TRUE(std::filesystem::exists(path));
}

TEST_F(BuildTest, BadInputIsNamedAndNothingStays) {
  const auto refused = [&](const std::string& input, const char* tokenizer = "chars") {
    const std::string message = refusal([&] { run({{input}, at("out"), tokenizer}); });
    EXPECT_FALSE(std::filesystem::exists(at("out")));
    EXPECT_FALSE(std::filesystem::exists(at(".out.building")));
    return message;
  };
  EXPECT_THAT(refused(at("absent.txt")), AllOf(HasSubstr("absent.txt"), HasSubstr("not found")));
  EXPECT_THAT(refused(write("empty.txt", "")), AllOf(HasSubstr("empty.txt"), HasSubstr("empty")));
  std::filesystem::create_directories(at("nothing"));
  EXPECT_THAT(refused(at("nothing")), HasSubstr("no text found"));
  EXPECT_THAT(refused(write("bad.txt", std::string(2 << 20, 'a') + "\xFF!")),
              AllOf(HasSubstr("bad.txt"), HasSubstr("byte 2097152")));
  EXPECT_THAT(refused(write("cut.txt", "abc\xE2\x82")), AllOf(HasSubstr("cut.txt: byte 3"), HasSubstr("UTF-8")));
  EXPECT_THAT(refused(write("a.jsonl", "{\"text\": \"x\"}\n{\"text\": }\n")), HasSubstr("a.jsonl:2: not JSON"));
  EXPECT_THAT(refused(write("b.jsonl", "{\"text\": \"x\"}\n\n{\"txt\": \"x\"}\n")), HasSubstr("b.jsonl:3"));
}

TEST_F(BuildTest, AStoppedBuildPublishesNothingAndGoesOn) {
  const std::string path = write("a.txt", std::string(3 << 20, 'a'));
  const auto stop_in = [&](const std::string& phase) {
    build({{path}, at("out")}, [&](const BuildProgress& now) { return now.phase != phase; });
  };
  for (const char* phase : {"tokenizing", "writing"}) {
    EXPECT_THAT(refusal([&] { stop_in(phase); }, ExitCode::kStopped), HasSubstr("start the same command again"));
    EXPECT_FALSE(std::filesystem::exists(at("out")));
  }
  EXPECT_GT(run({{path}}).resumed_units, 0u);
  EXPECT_FALSE(std::filesystem::exists(at(".out.building")));
}

TEST_F(BuildTest, TheManifestNamesShardsAndSources) {
  run({{write("a.txt", "some text of ours")}});
  const auto all = nlohmann::json::parse(bytes_of(at("out/dataset.json")));
  EXPECT_EQ(all["splits"]["train"]["shards"][0]["file"], "train-00000-of-00001.h5");
  EXPECT_EQ(all["splits"]["train"]["shards"][0]["bytes"],
            std::filesystem::file_size(at("out/train-00000-of-00001.h5")));
  EXPECT_EQ(all["sources"][0]["name"], "a.txt");
  EXPECT_EQ(all["sources"][0]["bytes"], 17);
}

/// Every file of a data set but dataset.json, which has the time.
std::map<std::string, std::string> contents(const std::string& folder) {
  std::map<std::string, std::string> all;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file() || entry.path().filename() == "dataset.json") continue;
    std::ifstream in(entry.path(), std::ios::binary);
    all[entry.path().lexically_relative(folder)] = {std::istreambuf_iterator<char>(in), {}};
  }
  return all;
}

/// Lines of JSON, some twice, some that are no documents.
std::string json_lines(int n) {
  std::string text;
  for (int i = 0; i < n; ++i) {
    text += "{\"text\": \"document " + std::to_string(i % 13 == 5 ? 5 : i) +
            std::string(static_cast<std::size_t>(i % 50), 'x') + "\"}\n";
    if (i % 1000 == 999) text += "no json\n";
  }
  return text;
}

TEST_F(BuildTest, WorkersRanksAndKillsChangeNoByte) {
  std::vector<std::string> inputs;
  for (int i = 0; i < 3; ++i)
    inputs.push_back(write("in" + std::to_string(i) + ".jsonl", json_lines(20000 + i)));  // several units each
  const std::string long_text = write("long.txt", std::string((1 << 18) + 40, 'a') + " b " + std::string(1 << 17, 'c'));
  inputs.push_back(long_text);
  BuildOptions options{inputs, at("one"), "bytes", 0.1, 1'000'000};
  options.unit_bytes = 1 << 18;
  options.max_rejects = 100, options.drop_duplicates = true, options.split_by = SplitBy::kHash,
  options.test_fraction = 0.05;
  const auto one = run(options);
  EXPECT_EQ(one.rejected, 60u);
  EXPECT_GT(one.duplicates, 0u);
  const auto want = contents(at("one"));
  EXPECT_GT(want.size(), 3u);

  options.out = at("four"), options.workers = 4;
  run(options);
  EXPECT_TRUE(contents(at("four")) == want);

  options.out = at("ranks"), options.workers = 1;
  std::barrier meeting(2);
  std::vector<std::jthread> ranks;
  for (int rank = 0; rank < 2; ++rank)
    ranks.emplace_back([&, rank] {
      build(options, [](const BuildProgress&) { return true; }, {rank, 2, [&] { meeting.arrive_and_wait(); }});
    });
  ranks.clear();
  EXPECT_TRUE(contents(at("ranks")) == want);

  options.out = at("killed");
  uint64_t resumed = 0;
  for (int kill = 1; kill <= 10; ++kill) {
    const uint64_t bytes = static_cast<uint64_t>(kill) * (300 << 10);
    try {
      resumed = build(options, [&](const BuildProgress& now) { return now.bytes < bytes; }).resumed_units;
    } catch (const Error&) {
    }
    // What a kill -9 leaves: a unit half written.
    if (std::filesystem::exists(at(".killed.building/units"))) write(".killed.building/units/00000002.tokens", "half");
  }
  const auto last = run(options);
  EXPECT_GT(last.resumed_units + resumed, 0u);
  EXPECT_TRUE(contents(at("killed")) == want);
}

TEST_F(BuildTest, DocumentsEndWithTheirToken) {
  const std::string vocab = write("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\nb\n##b\n");
  const std::string text = write("a.jsonl", "{\"text\": \"a b\"}\n{\"text\": \"ab\"}\n");
  run({{text}, at("with"), "wordpiece:" + vocab, 0});
  BuildOptions without{{text}, at("without"), "wordpiece:" + vocab, 0};
  without.append_eod = false;
  run(without);
  const auto ids = [&](const std::string& out) {
    const auto shards = open_shards(at(out), "train");
    std::vector<int64_t> all(shards[0].facts().tokens);
    shards[0].read(0, all);
    return all;
  };
  EXPECT_THAT(ids("with"), testing::ElementsAre(4, 5, 3, 4, 6, 3));
  EXPECT_THAT(ids("without"), testing::ElementsAre(4, 5, 4, 6));
  EXPECT_EQ(offsets_of("with/train-00000-of-00001.h5"), (std::vector<int64_t>{0, 3, 6}));
  EXPECT_EQ(open_shards(at("with"), "train")[0].facts().eod_id, 3);
  EXPECT_EQ(open_shards(at("without"), "train")[0].facts().eod_id, -1);
}

TEST_F(BuildTest, UnderHashADocumentStaysInItsSplitWhenOthersCome) {
  const auto split_of = [&](const std::string& out) {
    std::map<std::string, std::string> of;
    for (const auto& split : splits_of(at(out))) {
      std::istringstream text(text_of(split, out));
      for (std::string line; std::getline(text, line, ';');) of[line] = split;
    }
    return of;
  };
  std::string few, many;
  for (int i = 0; i < 3000; ++i) (i % 3 == 0 ? few : many) += "doc " + std::to_string(i) + ";\n";
  BuildOptions options{{write("few.txt", few)}, at("few"), "bytes", 0.3};
  options.documents = Documents::kLines, options.split_by = SplitBy::kHash, options.test_fraction = 0.2;
  run(options);
  options.inputs = {write("many.txt", many), at("few.txt")}, options.out = at("many");
  run(options);
  const auto before = split_of("few"), after = split_of("many");
  ASSERT_EQ(before.size(), 1000u);
  ASSERT_EQ(after.size(), 3000u);
  std::map<std::string, int> sizes;
  for (const auto& [document, split] : before) EXPECT_EQ(after.at(document), split) << document;
  for (const auto& [document, split] : after) ++sizes[split];
  EXPECT_NEAR(sizes["val"], 900, 100);
  EXPECT_NEAR(sizes["test"], 600, 90);
}

TEST_F(BuildTest, TwinsAreDroppedAndRejectsAreCounted) {
  BuildOptions options{
      {write("a.jsonl", "{\"text\": \"x\"}\n{\"text\": \"y\"}\n{\"text\": \"x\"}\nbad\n{\"text\": \"x \"}\n")},
      "",
      "bytes",
      0};
  options.drop_duplicates = true, options.max_rejects = 1;
  const auto result = run(options);
  EXPECT_EQ(text_of("train"), "xyx ");
  EXPECT_EQ(result.duplicates, 1u);
  EXPECT_EQ(result.rejected, 1u);
  ASSERT_EQ(result.rejects.size(), 1u);
  EXPECT_EQ(result.rejects[0].line, 4u);
  EXPECT_THAT(result.rejects[0].file, HasSubstr("a.jsonl"));
}

TEST_F(BuildTest, SentencesAreKept) {
  BuildOptions options{
      {write(
          "a.jsonl",
          "{\"text\": \"One. Two!\"}\n{\"text\": \"x\"}\n{\"text\": \"One. Two!\"}\n{\"text\": \"Last one. No more\"}\n")},
      "",
      "bytes",
      0,
      12};
  options.sentences = options.drop_duplicates = true;
  run(options);
  EXPECT_EQ(text_of("train"), "One. Two!xLast one. No more");
  const auto sentences = [&](const char* shard) {
    const Hdf5File file(at(shard));
    std::vector<int64_t> offsets(file.dataset("sentence_offsets").elements());
    file.read("sentence_offsets", 0, offsets.size(), Dtype::kI64, offsets.data());
    return offsets;
  };
  EXPECT_THAT(sentences("out/train-00000-of-00003.h5"), testing::ElementsAre(0, 4, 9, 10, 12));
  EXPECT_THAT(sentences("out/train-00001-of-00003.h5"), testing::ElementsAre(0, 7, 12));
  EXPECT_THAT(sentences("out/train-00002-of-00003.h5"), testing::ElementsAre(0, 3));
}

TEST_F(BuildTest, OnePlaceHasOneBuilder) {
  const std::string path = write("a.txt", "some text of ours");
  std::string refused;
  run_with({{path}, at("out")}, [&](const BuildProgress&) {
    if (refused.empty()) refused = refusal([&] { run({{path}, at("out")}); }, ExitCode::kEnvironment);
    return true;
  });
  EXPECT_THAT(refused, AllOf(HasSubstr("out"), HasSubstr("another build")));
  EXPECT_FALSE(std::filesystem::exists(at(".out.building.lock")));
  const auto again = run({{path}, at("out/.")});
  EXPECT_TRUE(again.already_there);
  EXPECT_EQ(again.documents, 1u);
  EXPECT_EQ(again.split_tokens.at("train"), 15u);
}

TEST_F(BuildTest, OtherMergesOfTheSameVocabularyAreAnotherBuild) {
  const std::string path = write("a.txt", "abc abc");
  const auto with = [&](const std::string& name, const std::string& merges) {
    const std::string file = write(
        name,
        R"({"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false}, "model": {"type": "BPE", "merges": )" +
            merges + R"(, "vocab": {"a": 0, "b": 1, "c": 2, "ab": 3, "bc": 4, "\u0120": 5}}})");
    return run({{path}, at("of-" + name), "hf:" + file}).dataset_id;
  };
  EXPECT_NE(with("one.json", R"([["a", "b"]])"), with("two.json", R"([["b", "c"]])"));
}

TEST_F(BuildTest, ADryRunWritesNothing) {
  BuildOptions of_characters{{write("a.jsonl", "{\"text\": \"\u20AC\u20AC\"}\n")}, at("out"), "chars"};
  of_characters.dry_run = true;
  EXPECT_GT(run(of_characters).split_tokens.at("all"), 0u);
  BuildOptions options{{write("a.txt", std::string(1000, 'x'))}, at("out"), "bytes"};
  options.dry_run = true;
  EXPECT_EQ(run(options).split_tokens.at("all"), 1000u);
  EXPECT_FALSE(std::filesystem::exists(at("out")));
}

}  // namespace
}  // namespace bessemer::data
