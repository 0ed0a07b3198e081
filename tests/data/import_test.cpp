#include "data/import.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "data/export.h"
#include "data/file.h"
#include "data/sha256.h"
#include "data/shard_set.h"
#include "data/tokenizer.h"
#include "tests/data/neighbours/bytes.h"
#include "tests/support/paths.h"

namespace bessemer::data {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

class ImportTokens : public FolderTest {
 protected:
  ImportOptions options(const std::vector<std::string>& inputs, const std::string& from = "nanogpt") {
    ImportOptions o;
    o.inputs = inputs, o.from = from, o.out = at("out"), o.tokenizer = "bytes";
    return o;
  }
  static ImportResult import(const ImportOptions& options) {
    return import_tokens(options, [](const BuildProgress&) { return true; });
  }
  std::string refused(const ImportOptions& o, ExitCode code = ExitCode::kBadData) {
    const std::string message = refusal([&] { import(o); }, code);
    EXPECT_FALSE(std::filesystem::exists(o.out));
    EXPECT_FALSE(std::filesystem::exists(at(".out.building")));
    return message;
  }
  /// Documents of a split, joined where they go on in the next shard.
  DocumentIds documents(const std::string& split, const std::string& out = "out") {
    DocumentIds all;
    for (const auto& shard : open_shards(at(out), split)) {
      for (uint64_t d = 0; d < shard.facts().documents; ++d) {
        const auto [begin, end] = shard.document(d);
        std::vector<int64_t> ids(end - begin);
        shard.read(begin, ids);
        if (d > 0 || !shard.facts().continues || all.empty()) all.emplace_back();
        all.back().insert(all.back().end(), ids.begin(), ids.end());
      }
    }
    return all;
  }
  /// A vocabulary of so many characters, kept as a data set keeps it.
  std::string tokenizer(uint32_t size) {
    std::vector<std::string> characters;
    for (uint32_t i = 0; i < size; ++i) {
      const uint32_t code = 0x10000 + i;
      characters.push_back({static_cast<char>(0xF0 | code >> 18), static_cast<char>(0x80 | (code >> 12 & 0x3F)),
                            static_cast<char>(0x80 | (code >> 6 & 0x3F)), static_cast<char>(0x80 | (code & 0x3F))});
    }
    write("vocabulary/tokenizer/tokenizer.json", make_chars_tokenizer(characters)->json());
    return "data:" + at("vocabulary");
  }
};

TEST_F(ImportTokens, MakesShardsAndSaysTheHashOfTheTokens) {
  const std::string bytes = little({1, 2, 3, 200}, 2);
  const auto result = import(options({write("train.bin", bytes)}));
  ASSERT_EQ(result.sets.size(), 1u);
  EXPECT_EQ(result.sets[0].tokens, 4u);
  EXPECT_EQ(result.sets[0].documents, 1u);
  EXPECT_EQ(result.sets[0].sha256, sha256(bytes)) << "of a file of u16, what sha256sum says";
  EXPECT_THAT(documents("train"), ElementsAre(ElementsAre(1, 2, 3, 200)));
  const auto shards = open_shards(at("out"), "train");
  shards[0].verify();
  EXPECT_EQ(shards[0].facts().content_sha256, result.sets[0].sha256);
  EXPECT_EQ(shards[0].facts().dataset_id, result.dataset_id);
  EXPECT_EQ(shards[0].facts().eod_id, -1);
  const auto manifest = nlohmann::json::parse(read_file(at("out/dataset.json")));
  EXPECT_EQ(manifest["imported"][0]["sha256"], result.sets[0].sha256);
  EXPECT_EQ(manifest["sources"][0]["name"], "train.bin");
  EXPECT_EQ(open_tokenizer(at("out"))->sha256(), shards[0].facts().tokenizer_sha256);
  EXPECT_FALSE(std::filesystem::exists(at(".out.building")));
}

TEST_F(ImportTokens, KeepsEachFileAsADocumentAndTheirOrder) {
  write("x_train_2.bin", little({3}, 2)), write("x_train_1.bin", little({1, 2}, 2)),
      write("x_val_0.bin", little({9}, 2));
  import(options({at("x_train_*.bin")}));
  EXPECT_THAT(documents("train"), ElementsAre(ElementsAre(1, 2), ElementsAre(3)));
}

TEST_F(ImportTokens, LetsADocumentGoOnInTheNextFileByItsEodId) {
  auto o = options({write("a.bin", little({1, 0, 2}, 2)), write("b.bin", little({3, 0, 4}, 2))});
  o.eod_id = 0;
  EXPECT_EQ(import(o).sets[0].documents, 3u);
  EXPECT_THAT(documents("train"), ElementsAre(ElementsAre(1, 0), ElementsAre(2, 3, 0), ElementsAre(4)));
  EXPECT_EQ(open_shards(at("out"), "train")[0].facts().eod_id, 0);
}

TEST_F(ImportTokens, CutsShardsAndTheValidationSplitAtExactCounts) {
  std::vector<int64_t> ids(20);
  for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<int64_t>(i % 5);
  auto o = options({write("a.bin", little(ids, 2))});
  o.eod_id = 4, o.val_fraction = 0.35, o.shard_tokens = 6;
  const auto result = import(o);
  EXPECT_EQ(result.split_tokens.at("train"), 13u);
  EXPECT_EQ(result.split_tokens.at("val"), 7u);
  EXPECT_EQ(result.sets[0].documents, 4u);
  EXPECT_EQ(open_shards(at("out"), "train").size(), 3u);
  EXPECT_THAT(documents("train"),
              ElementsAre(ElementsAre(0, 1, 2, 3, 4), ElementsAre(0, 1, 2, 3, 4), ElementsAre(0, 1, 2)));
  EXPECT_THAT(documents("val"), ElementsAre(ElementsAre(3, 4), ElementsAre(0, 1, 2, 3, 4)));
}

TEST_F(ImportTokens, TakesAValidationFileOfItsOwn) {
  auto o = options({write("train.bin", little({1, 2}, 2))});
  o.val_inputs = {write("val.bin", little({3}, 2))};
  const auto result = import(o);
  EXPECT_EQ(result.sets[1].splits, "val");
  EXPECT_THAT(documents("train"), ElementsAre(ElementsAre(1, 2)));
  EXPECT_THAT(documents("val"), ElementsAre(ElementsAre(3)));
}

TEST_F(ImportTokens, EqualInputsGiveEqualShardsAndAreFoundAgain) {
  auto o = options({write("a.bin", little({1, 2, 3}, 2))});
  const auto first = import(o);
  const auto again = import(o);
  EXPECT_TRUE(again.already_there);
  EXPECT_EQ(again.sets[0].sha256, first.sets[0].sha256);
  EXPECT_EQ(again.split_tokens, first.split_tokens);
  o.out = at("twin");
  import(o);
  EXPECT_EQ(bytes_of(at("twin/train-00000-of-00001.h5")), bytes_of(at("out/train-00000-of-00001.h5")));
  o.out = at("out"), o.eod_id = 2;
  EXPECT_THAT(refusal([&] { import(o); }, ExitCode::kUsage), HasSubstr("--overwrite"));
  o.overwrite = true;
  import(o);
  EXPECT_THAT(documents("train"), ElementsAre(ElementsAre(1, 2), ElementsAre(3)));
}

TEST_F(ImportTokens, FindsTheFormatWhereTheFilesTellIt) {
  const std::string llmc = little({20240520, 1, 2}, 4) + std::string(1012, '\0') + little({1, 2}, 2);
  auto o = options({write("a.bin", llmc)}, "");
  EXPECT_EQ(import(o).from, "llmc");
  o.out = at("other"), o.inputs = {write("b.bin", little({1, 2}, 2))};
  EXPECT_THAT(refused(o, ExitCode::kUsage),
              AllOf(HasSubstr("b.bin"), HasSubstr("--from, one of: megatron"), HasSubstr("nanogpt")));
  o.from = "nanogtp";
  EXPECT_THAT(refused(o, ExitCode::kUsage), HasSubstr("did you mean nanogpt?"));
}

TEST_F(ImportTokens, TakesEveryFormatAndItsDocuments) {
  const std::string golden = tests::kSourceDir + "/tests/data/neighbours/golden/";
  for (const auto& [file, expected] :
       std::map<std::string, DocumentIds>{{"rows.npy", {{1, 2, 3}, {4, 5, 6}}},
                                          {"cerebras_corpus.h5", {{5, 6, 9, 7, 9}}},
                                          {"cerebras_samples.h5", {{1, 2, 3, 9}, {4, 5, 6, 7, 8, 9}}},
                                          {"cerebras_vsl.h5", {{1, 2, 9}, {3, 9}, {4, 5, 9}, {6, 7, 8, 9}}},
                                          {"nvidia_bert.h5", {{1, 10, 11, 2, 12, 2}, {1, 10, 2, 13, 14, 15, 16, 2}}}}) {
    auto o = options({golden + file}, "");
    o.overwrite = true;
    EXPECT_EQ(import(o).sets[0].documents, expected.size());
    EXPECT_EQ(documents("train"), expected) << file;
  }
}

TEST_F(ImportTokens, LeavesOutDocumentsWithoutTokensAndCountsThem) {
  write("m.bin", little({5, 6, 7}, 2));
  write("m.idx", std::string("MMIDIDX\0\0", 9) + little(1, 8) + little(8, 1) + little({3, 5}, 8) +
                     little({2, 0, 1}, 4) + little({0, 4, 4}, 8) + little({0, 1, 2, 2, 3}, 8));
  const auto set = import(options({at("m.bin")}, "megatron")).sets[0];
  EXPECT_EQ(set.empty_documents, 2u);
  EXPECT_EQ(set.documents, 2u);
  EXPECT_THAT(documents("train"), ElementsAre(ElementsAre(5, 6), ElementsAre(7)));
}

TEST_F(ImportTokens, AsksWhereAnEodIdEndsNothing) {
  auto o = options({write("a.bin", little({1, 2, 3}, 2))});
  o.eod_id = 9;
  EXPECT_THAT(import(o).remarks, ElementsAre(HasSubstr("is 9 the right --eod-id?")));
}

TEST_F(ImportTokens, RefusesFormatsThatAreMixed) {
  const std::string llmc = little({20240520, 1, 1}, 4) + std::string(1012, '\0') + little(1, 2);
  const std::string golden = tests::kSourceDir + "/tests/data/neighbours/golden/";
  EXPECT_THAT(refused(options({write("a.bin", llmc), golden + "rows.npy"}, ""), ExitCode::kUsage),
              HasSubstr("rows.npy: is of format npy"));
  auto o = options({golden + "rows.npy"}, "");
  o.val_inputs = {at("a.bin")};
  EXPECT_THAT(refused(o, ExitCode::kUsage), HasSubstr("a.bin: is of format llmc"));
  o = options({golden + "nvidia_bert.h5"}, ""), o.eod_id = 2;
  EXPECT_THAT(refused(o, ExitCode::kUsage), HasSubstr("say themselves where documents end"));
}

TEST_F(ImportTokens, WritesNothingWhereAnIdIsOutsideTheVocabulary) {
  EXPECT_THAT(refused(options({write("a.bin", little({1, 2}, 2)), write("b.bin", little({3, 256}, 2))})),
              AllOf(HasSubstr("b.bin: token 1 has id 256"), HasSubstr("0 to 255")));
}

TEST_F(ImportTokens, RefusesOptionsThatMeanNothing) {
  const std::string file = write("a.bin", little({1, 2}, 2));
  auto o = options({file});
  o.eod_id = 256;
  EXPECT_THAT(refused(o, ExitCode::kUsage), HasSubstr("no id of the tokenizer's vocabulary of 256"));
  o = options({file}), o.dtype = "f32";
  EXPECT_THAT(refused(o, ExitCode::kUsage), HasSubstr("--dtype 'f32' is unknown"));
  o = options({write("l.bin", little({20240520, 1, 1}, 4) + std::string(1012, '\0') + little(1, 2))}, "llmc");
  o.dtype = "u16";
  EXPECT_THAT(refused(o, ExitCode::kUsage), HasSubstr("leave it out"));
  o = options({file}), o.split = "all";
  EXPECT_THAT(refused(o, ExitCode::kUsage), HasSubstr("train, val, test"));
  o = options({file}), o.val_fraction = 0.1, o.val_inputs = {file};
  EXPECT_THAT(refused(o, ExitCode::kUsage), HasSubstr("only one"));
  o = options({file}), o.shard_tokens = 0;
  EXPECT_THAT(refused(o, ExitCode::kUsage), HasSubstr("--shard-tokens 0"));
  EXPECT_THAT(refused(options({at("none.bin")})), HasSubstr("not found"));
  EXPECT_THAT(refused(options({at("none*.bin")})), HasSubstr("no file matches"));
}

TEST_F(ImportTokens, IsStoppedWithoutATrace) {
  const auto o = options({write("a.bin", little({1, 2}, 2))});
  for (const std::string phase : {"reading", "checking", "writing", "verifying"}) {
    refusal([&] { import_tokens(o, [&](const BuildProgress& now) { return now.phase != phase; }); },
            ExitCode::kStopped);
    EXPECT_FALSE(std::filesystem::exists(at("out")));
    EXPECT_FALSE(std::filesystem::exists(at(".out.building")));
  }
}

TEST_F(ImportTokens, KnowsTheEodIdWhereEveryDocumentEndsWithIt) {
  const std::string tokenizer = write(
      "t.json",
      R"({"added_tokens":[{"id":3,"content":"</s>","special":true}],"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false},"decoder":{"type":"ByteLevel"},"model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2,"</s>":3},"merges":["a b"]}})");
  const auto eod_id = [&](const std::vector<int64_t>& ids, const std::string& out) {
    const auto table = [](int64_t sequences) { return little({sequences, sequences + 1}, 8); };
    write("m.bin", little(ids, 2));
    write("m.idx", std::string("MMIDIDX\0\0", 9) + little(1, 8) + little(8, 1) + table(2) + little({2, 2}, 4) +
                       little({0, 4}, 8) + little({0, 1, 2}, 8));
    auto o = options({at("m")}, "");
    o.tokenizer = "hf:" + tokenizer, o.out = at(out);
    EXPECT_EQ(import(o).from, "megatron");
    return open_shards(at(out), "train")[0].facts().eod_id;
  };
  EXPECT_EQ(eod_id({0, 3, 1, 3}, "with"), 3);
  EXPECT_EQ(eod_id({0, 3, 1, 2}, "without"), -1);
}

/// What is imported, exported and imported again is the same: tokens, and documents where the format has them.
class RoundTrip : public ImportTokens {
 protected:
  /// Four documents, one of them across two shards, as shards of `tokenizer`.
  DocumentIds original(const std::string& spec, uint32_t vocab_size, int64_t eod_id) {
    std::vector<int64_t> ids;
    for (uint32_t i = 0; i < 40; ++i) ids.push_back(i % 10 == 9 ? eod_id : i * (vocab_size / 41) + 1);
    auto o = options({write("first.bin", little(ids, 4))});
    o.tokenizer = spec, o.dtype = "u32", o.eod_id = eod_id, o.shard_tokens = 16, o.out = at("original");
    o.overwrite = true;
    hash_ = import(o).sets[0].sha256;
    return documents("train", "original");
  }
  DocumentIds again(const std::string& to, const std::string& spec, int64_t eod_id, int64_t tokens_per_file = 0) {
    ExportOptions e;
    e.data = at("original"), e.to = to, e.out = at("exported/x.bin"), e.tokens_per_file = tokens_per_file;
    std::filesystem::remove_all(at("exported")), std::filesystem::create_directories(at("exported"));
    const auto exported = export_tokens(e, [](const BuildProgress&) { return true; });
    EXPECT_EQ(exported.sha256, hash_);
    auto o = options({at("exported")}, to);
    o.tokenizer = spec, o.eod_id = eod_id;
    std::filesystem::remove_all(at("out"));
    EXPECT_EQ(import(o).sets[0].sha256, hash_);
    return documents("train");
  }
  std::string hash_;
};

TEST_F(RoundTrip, OfMegatronKeepsTokensAndDocuments) {
  for (const uint32_t size : {300u, 65499u, 65500u, 70000u}) {
    const std::string spec = tokenizer(size);
    const auto before = original(spec, size, 0);
    ASSERT_EQ(before.size(), 4u);
    EXPECT_EQ(again("megatron", spec, -1), before) << size;
  }
}

TEST_F(RoundTrip, OfNanoGptKeepsTokensAndDocumentsByTheirEnds) {
  for (const uint32_t size : {300u, 65536u}) {
    const std::string spec = tokenizer(size);
    const auto before = original(spec, size, 2);
    EXPECT_EQ(again("nanogpt", spec, 2), before) << size;
  }
  const std::string spec = tokenizer(65537);
  original(spec, 65537, 2);
  EXPECT_THAT(refusal([&] { again("nanogpt", spec, 2); }, ExitCode::kUsage), HasSubstr("65537 does not fit"));
}

TEST_F(RoundTrip, OfLlmCKeepsTokensAndDocumentsByTheirEnds) {
  for (const uint32_t size : {300u, 65536u, 65537u, 70000u}) {
    const std::string spec = tokenizer(size);
    const auto before = original(spec, size, 2);
    EXPECT_EQ(again("llmc", spec, 2), before) << size;
    EXPECT_EQ(again("llmc", spec, 2, 7), before) << size << ", in files of 7 tokens";
  }
}

}  // namespace
}  // namespace bessemer::data
