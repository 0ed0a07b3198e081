#include "data/build.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <set>

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
  BuildResult run(BuildOptions options) const {
    if (options.out.empty()) options.out = at("out");
    return build(options, [](const BuildProgress&) { return true; });
  }
  /// All tokens of a split, back as text.
  std::string text_of(const std::string& split, const std::string& out = "out") const {
    const auto tokenizer = open_tokenizer(at(out));
    std::string text;
    for (const auto& shard : open_shards(at(out), split)) {
      std::vector<int64_t> ids(shard.facts().tokens);
      shard.read(0, ids);
      for (const int64_t id : ids) text += tokenizer->decode_one(static_cast<uint32_t>(id));
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
  EXPECT_EQ(result.train_tokens, static_cast<uint64_t>(static_cast<double>(text.size()) * 0.9));
  EXPECT_EQ(text_of("train") + text_of("val"), text);
  EXPECT_EQ(text_of("train").size(), result.train_tokens);
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
  EXPECT_EQ(Corpus::open(at("chars"), "train", 10)->vocab_size(), 5);
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
  EXPECT_THAT(refused(write("cut.txt", "abc\xE2\x82")), AllOf(HasSubstr("byte 3"), HasSubstr("ends within")));
  EXPECT_THAT(refused(write("a.jsonl", "{\"text\": \"x\"}\n{\"text\": }\n")), HasSubstr("a.jsonl:2: not JSON"));
  EXPECT_THAT(refused(write("b.jsonl", "{\"text\": \"x\"}\n\n{\"txt\": \"x\"}\n")), HasSubstr("b.jsonl:3"));
}

TEST_F(BuildTest, StoppingLeavesNothing) {
  const std::string path = write("a.txt", std::string(3 << 20, 'a'));
  const auto stop_in = [&](const std::string& phase) {
    build({{path}, at("out")}, [&](const BuildProgress& now) { return now.phase != phase; });
  };
  refusal([&] { stop_in("reading"); }, ExitCode::kStopped);
  refusal([&] { stop_in("writing"); }, ExitCode::kStopped);
  EXPECT_FALSE(std::filesystem::exists(at("out")));
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

}  // namespace
}  // namespace bessemer::data
