#include "data/export.h"

#include <gmock/gmock.h>

#include "tests/data/neighbours/bytes.h"

namespace bessemer::data {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class ExportTokens : public FolderTest {
 protected:
  /// Shards [1 2 3][4 and 5][6]: the second document goes on in the second shard.
  ExportTokens() {
    std::filesystem::create_directories(at("d"));
    const auto shard = [&](uint32_t index, bool continues, const DocumentIds& documents) {
      ShardFacts facts = facts_for(256, index, 2);
      facts.continues = continues;
      TokenShardWriter writer(at("d/" + shard_name("train", index, 2)), facts);
      for (const auto& ids : documents) writer.append(ids), writer.end_document();
      writer.finish();
    };
    shard(0, false, {{1, 2, 3}, {4}});
    shard(1, true, {{5}, {}, {6}});
  }
  ExportOptions options(const std::string& to, const std::string& out) {
    ExportOptions o;
    o.data = at("d"), o.to = to, o.out = at(out);
    return o;
  }
  static ExportResult run(const ExportOptions& o) {
    return export_tokens(o, [](const BuildProgress&) { return true; });
  }
};

TEST_F(ExportTokens, JoinsDocumentsAcrossShardsForMegatron) {
  const auto result = run(options("megatron", "m"));
  EXPECT_THAT(result.files, ElementsAre(at("m.bin"), at("m.idx")));
  EXPECT_EQ(result.documents, 3u);
  EXPECT_EQ(bytes_of(at("m.bin")), little({1, 2, 3, 4, 5, 6}, 2));
  EXPECT_EQ(bytes_of(at("m.idx")), std::string("MMIDIDX\0\0", 9) + little(1, 8) + little(8, 1) + little({3, 4}, 8) +
                                       little({3, 2, 1}, 4) + little({0, 6, 10}, 8) + little({0, 1, 2, 3}, 8));
}

TEST_F(ExportTokens, WritesIdsInARow) {
  EXPECT_EQ(run(options("nanogpt", "n.bin")).tokens, 6u);
  EXPECT_EQ(bytes_of(at("n.bin")), little({1, 2, 3, 4, 5, 6}, 2));
}

TEST_F(ExportTokens, RefusesToReplaceFilesUnlessTold) {
  write("m.idx", "mine");
  auto o = options("megatron", "m");
  EXPECT_THAT(refusal([&] { run(o); }, ExitCode::kUsage), HasSubstr("m.idx: exists"));
  EXPECT_EQ(bytes_of(at("m.idx")), "mine");
  EXPECT_FALSE(std::filesystem::exists(at("m.bin")));
  o.overwrite = true;
  run(o);
  EXPECT_NE(bytes_of(at("m.idx")), "mine");
  auto several = options("llmc", "l.bin");
  several.tokens_per_file = 4;
  write("l_000001.bin", "mine");
  EXPECT_THAT(refusal([&] { run(several); }, ExitCode::kUsage), HasSubstr("l_000001.bin: exists"));
}

TEST_F(ExportTokens, RefusesOptionsThatMeanNothing) {
  EXPECT_THAT(refusal([&] { run(options("arrow", "x")); }, ExitCode::kUsage), HasSubstr("megatron, nanogpt, llmc"));
  auto o = options("nanogpt", "x");
  o.tokens_per_file = 3;
  EXPECT_THAT(refusal([&] { run(o); }, ExitCode::kUsage), HasSubstr("--tokens-per-file 3"));
  o = options("nanogpt", "x"), o.split = "val";
  EXPECT_THAT(refusal([&] { run(o); }), HasSubstr("no shards of split 'val'"));
}

TEST_F(ExportTokens, IsStoppedWithoutATrace) {
  for (const char* to : {"megatron", "nanogpt", "llmc"}) {
    refusal([&] { export_tokens(options(to, "x"), [](const BuildProgress&) { return false; }); }, ExitCode::kStopped);
    for (const auto& entry : std::filesystem::directory_iterator(folder())) EXPECT_EQ(entry.path().filename(), "d");
  }
}

TEST_F(ExportTokens, StopsAtADamagedBlock) {
  const std::string shard = at("d/train-00001-of-00002.h5");
  std::string bytes = bytes_of(shard);
  bytes[Hdf5File(shard).dataset("tokens").offset] ^= 1;
  write("d/train-00001-of-00002.h5", bytes);
  EXPECT_THAT(refusal([&] { run(options("nanogpt", "n.bin")); }), HasSubstr("checksum"));
  EXPECT_FALSE(std::filesystem::exists(at("n.bin")));
  EXPECT_FALSE(std::filesystem::exists(at("n.bin.tmp")));
}

}  // namespace
}  // namespace bessemer::data
