#include "data/token_shard.h"

#include <gmock/gmock.h>

#include <vector>

#include "data/hdf5.h"
#include "tests/data/folder.h"
#include "tests/support/shard_schema.h"

namespace bessemer::data {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class TokenShardTest : public FolderTest {
 protected:
  std::string shard(const std::vector<uint32_t>& ids, uint32_t vocab_size,
                    const std::vector<std::size_t>& ends = {}) const {
    const std::string path = at(shard_name("train", 0, 1));
    TokenShardWriter writer(path, facts_for(vocab_size));
    std::size_t begin = 0;
    for (const std::size_t end : ends) {
      writer.append(std::span(ids).subspan(begin, end - begin));
      writer.end_document();
      begin = end;
    }
    writer.append(std::span(ids).subspan(begin));
    writer.finish();
    return path;
  }
  /// Flips one bit of the file.
  static void flip(const std::string& path, uint64_t offset) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(offset));
    const char byte = static_cast<char>(file.get() ^ 4);
    file.seekp(static_cast<std::streamoff>(offset));
    file.put(byte);
  }
  static std::vector<int64_t> all(const TokenShard& shard) {
    std::vector<int64_t> ids(shard.facts().tokens);
    shard.read(0, ids);
    return ids;
  }
};

class TokenShardSizes : public TokenShardTest, public testing::WithParamInterface<std::tuple<std::size_t, uint32_t>> {};
INSTANTIATE_TEST_SUITE_P(SizesAndVocabularies, TokenShardSizes,
                         testing::Combine(testing::Values(0, 1, 7, 16383, 16384, 16385, 50001),
                                          testing::Values(256, 65536, 65537, 128256)));

TEST_P(TokenShardSizes, ReadsBackWhatWasWritten) {
  const auto [n, vocab] = GetParam();
  const auto ids = ids_of(n, vocab);
  const TokenShard read(shard(ids, vocab));
  EXPECT_EQ(read.facts().tokens, n);
  EXPECT_EQ(read.facts().documents, n > 0 ? 1u : 0u);
  EXPECT_EQ(read.facts().dtype(), vocab <= 65536 ? Dtype::kU16 : Dtype::kU32);
  EXPECT_EQ(all(read), std::vector<int64_t>(ids.begin(), ids.end()));
  for (std::size_t first : {std::size_t{0}, n / 3, n}) {
    std::vector<int64_t> some(std::min<std::size_t>(n - first, 1025));
    read.read(first, some);
    EXPECT_TRUE(std::equal(some.begin(), some.end(), ids.begin() + static_cast<std::ptrdiff_t>(first))) << first;
  }
  read.verify();
}

TEST_F(TokenShardTest, HoldsTheSchema) {
  const auto ids = ids_of(20000, 65);
  const Hdf5File file(shard(ids, 65, {5, 5, 19999}));
  EXPECT_EQ(file.text("format"), "token-shard");
  EXPECT_EQ(file.integers("format_version"), (std::vector<int64_t>{1, 0}));
  EXPECT_EQ(file.text("kind"), "corpus");
  EXPECT_EQ(file.integer("n_tokens"), 20000);
  EXPECT_EQ(file.integer("n_docs"), 4);
  EXPECT_EQ(file.integer("n_examples"), 4);
  EXPECT_EQ(file.integer("eod_id"), -1);
  EXPECT_EQ(file.integer("checksum_block_tokens"), 16384);
  EXPECT_EQ(file.dataset("data").offset, file.dataset("tokens").offset);
  EXPECT_EQ(file.dataset("block_crc32c").shape[0], 2u);
  std::vector<int64_t> offsets(5);
  file.read("doc_offsets", 0, 5, Dtype::kI64, offsets.data());
  EXPECT_THAT(offsets, testing::ElementsAre(0, 5, 5, 19999, 20000));
}

TEST_F(TokenShardTest, TheSameTokensGiveTheSameBytes) {
  const auto ids = ids_of(40000, 256);
  const std::string first = bytes_of(shard(ids, 256, {100, 30000}));
  EXPECT_EQ(first, bytes_of(shard(ids, 256, {100, 30000})));
}

TEST_F(TokenShardTest, AWriterThatIsNotFinishedLeavesNothing) {
  {
    TokenShardWriter writer(at("train-00000-of-00001.h5"), facts_for(256));
    writer.append(ids_of(100000, 256));
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder()));
}

TEST_F(TokenShardTest, TheWriterRefusesAnIdBeyondTheVocabulary) {
  TokenShardWriter writer(at("train-00000-of-00001.h5"), facts_for(65));
  const std::vector<uint32_t> ids{64, 65};
  EXPECT_THAT(refusal([&] { writer.append(ids); }), AllOf(HasSubstr("id 65"), HasSubstr("vocab_size 65")));
}

TEST_F(TokenShardTest, AFlippedBitIsNoticedWhereverItIs) {
  const auto ids = ids_of(40000, 65536);  // every 16-bit id is allowed: only the checksum can notice
  const std::string path = shard(ids, 65536, {100, 30000});
  const Hdf5File layout(path);
  for (const uint64_t token : {0, 16383, 16384, 39999}) {
    const uint64_t offset = layout.dataset("tokens").offset + 2 * token;
    flip(path, offset);
    const TokenShard read(path);
    EXPECT_THAT(refusal([&] { all(read); }), AllOf(HasSubstr("train-00000-of-00001.h5"), HasSubstr("checksum")))
        << token;
    flip(path, offset);
  }
  for (const char* table : {"doc_offsets", "block_crc32c", "tables_crc32c"}) {
    const auto& dataset = layout.dataset(table);
    for (const uint64_t byte : {uint64_t{0}, dataset.bytes() - 1}) {
      flip(path, dataset.offset + byte);
      EXPECT_THAT(refusal([&] { TokenShard{path}; }), HasSubstr("checksum")) << table << " " << byte;
      flip(path, dataset.offset + byte);
    }
  }
  TokenShard(path).verify();
}

TEST_F(TokenShardTest, BlocksThatAreNotTouchedAreNotChecked) {
  const std::string path = shard(ids_of(40000, 65536), 65536);
  flip(path, Hdf5File(path).dataset("tokens").offset + 2 * 39999);
  const TokenShard read(path);
  std::vector<int64_t> ids(100);
  read.read(0, ids);
  EXPECT_THAT(refusal([&] { read.read(39000, ids); }), HasSubstr("tokens 32768 to 39999"));
  EXPECT_THAT(refusal([&] { read.verify(); }), HasSubstr("checksum"));
}

class LossMask : public TokenShardTest {
 protected:
  /// 40,000 tokens of which each third is not to be predicted, written in uneven pieces.
  std::string masked_shard() const {
    auto facts = facts_for(65536);
    facts.loss_mask = true;
    TokenShardWriter writer(at("train-00000-of-00001.h5"), facts);
    const auto ids = ids_of(40000, 65536);
    const auto mask = mask_of(0, 40000);
    for (std::size_t begin = 0, n = 1; begin < ids.size(); begin += n, n = n * 3 + 1) {
      n = std::min(n, ids.size() - begin);
      writer.append(std::span(ids).subspan(begin, n), std::span(mask).subspan(begin, n));
    }
    EXPECT_EQ(writer.finish().loss_tokens, 26666u);
    return at("train-00000-of-00001.h5");
  }
  static std::vector<uint8_t> mask_of(std::size_t first, std::size_t n) {
    std::vector<uint8_t> mask(n);
    for (std::size_t i = 0; i < n; ++i) mask[i] = (first + i) % 3 != 0;
    return mask;
  }
};

TEST_F(LossMask, IsReadBack) {
  const std::string path = masked_shard();
  for (const BlockCheck check : {BlockCheck::kTouch, BlockCheck::kAll, BlockCheck::kOff}) {
    const TokenShard read(path, check);
    EXPECT_TRUE(read.facts().loss_mask);
    EXPECT_EQ(read.facts().loss_tokens, 26666u);
    for (const auto& [first, n] :
         {std::pair<std::size_t, std::size_t>{0, 40000}, {16380, 10}, {39999, 1}, {40000, 0}}) {
      std::vector<uint8_t> got(n, 7);
      read.loss_mask(first, got);
      EXPECT_EQ(got, mask_of(first, n));
    }
    read.verify();
  }
}

TEST_F(LossMask, AShardWithoutOneWantsEveryToken) {
  const TokenShard read(shard(ids_of(10, 256), 256));
  std::vector<uint8_t> got(10);
  read.loss_mask(0, got);
  EXPECT_EQ(got, std::vector<uint8_t>(10, 1));
}

TEST_F(LossMask, IsVerifiedAsTokensAre) {
  const std::string path = masked_shard();
  const Hdf5File layout(path);
  const uint64_t offset = layout.dataset("loss_mask").offset;
  flip(path, offset + 20000);
  {
    const TokenShard read(path);
    std::vector<uint8_t> mask(100);
    read.loss_mask(0, mask);
    EXPECT_THAT(refusal([&] { read.loss_mask(30000, mask); }),
                AllOf(HasSubstr("loss_mask 16384 to 32767 have the checksum"), HasSubstr("loss_mask_crc32c says")));
    EXPECT_THAT(refusal([&] { read.verify(); }), HasSubstr("loss_mask"));
    std::vector<int64_t> ids(100);
    read.read(30000, ids);
  }
  flip(path, offset + 20000);
  flip(path, layout.dataset("loss_mask_crc32c").offset);
  EXPECT_THAT(refusal([&] { TokenShard{path}; }), HasSubstr("checksum of dataset 'loss_mask_crc32c'"));
}

TEST_F(LossMask, HoldsZeroAndOneOnly) {
  auto facts = facts_for(256);
  facts.loss_mask = true;
  TokenShardWriter writer(at("train-00000-of-00001.h5"), facts);
  const std::vector<uint32_t> ids{1, 2};
  const std::vector<uint8_t> mask{1, 2};
  EXPECT_THAT(refusal([&] { writer.append(ids, mask); }), HasSubstr("loss mask 2, 0 or 1 is expected"));
}

TEST_F(TokenShardTest, EveryTruncationIsRefused) {
  const std::string path = shard(ids_of(5000, 256), 256, {10});
  const std::string whole = bytes_of(path);
  for (std::size_t n = 0; n < whole.size(); n += 211) {
    const std::string cut = write("cut.h5", whole.substr(0, n));
    EXPECT_THAT(refusal([&] { TokenShard{cut}; }), HasSubstr("cut.h5")) << n;
  }
}

TEST_F(TokenShardTest, ForeignFilesAreRefusedWithWhatTheyHold) {
  create_layout(at("nvidia.h5"), {{"input_ids", Dtype::kI32, {4, 128}}}, {});
  EXPECT_THAT(refusal([&] { TokenShard{at("nvidia.h5")}; }),
              AllOf(HasSubstr("not a token shard"), HasSubstr("input_ids i32")));
  EXPECT_THAT(refusal([&] { TokenShard{write("text.h5", "To be, or not to be")}; }), HasSubstr("text.h5"));
  EXPECT_THAT(refusal([&] { TokenShard{at("absent.h5")}; }), HasSubstr("No such file"));
  EXPECT_THAT(refusal([&] { TokenShard{folder()}; }), HasSubstr("regular file"));
}

using Changed = tests::ShardSchema;

TEST_F(TokenShardTest, EachBrokenRuleOfTheSchemaIsNamed) {
  const auto refused = [&](const Changed& changed) {
    create_layout(at("x.h5"), changed.datasets, changed.attributes);
    return refusal([&] { TokenShard{at("x.h5")}; });
  };
  Changed c;
  c.attributes["format_version"] = std::vector<uint32_t>{2, 0};
  EXPECT_THAT(refused(c), AllOf(HasSubstr("version 2.0"), HasSubstr("version 1 is expected")));
  c = {}, c.attributes["kind"] = std::string("images");
  EXPECT_THAT(refused(c), AllOf(HasSubstr("'images'"), HasSubstr("'corpus' is expected")));
  c = {}, c.datasets[0].dtype = Dtype::kI32;
  EXPECT_THAT(refused(c), HasSubstr("'tokens' is of type i32, u16 is expected"));
  c = {}, c.datasets[0].shape = {9};
  EXPECT_THAT(refused(c), HasSubstr("'tokens' has 9 elements in 1 dimensions, 10 in one are expected"));
  c = {}, c.datasets[0].shape = {10, 1};
  EXPECT_THAT(refused(c), HasSubstr("in 2 dimensions"));
  c = {}, c.attributes["n_docs"] = uint64_t{2};
  EXPECT_THAT(refused(c), HasSubstr("'doc_offsets' has 2 elements"));
  c = {}, c.datasets[2].shape = {2};
  EXPECT_THAT(refused(c), HasSubstr("'block_crc32c' has 2"));
  c = {}, c.datasets.erase(c.datasets.begin() + 1);
  EXPECT_THAT(refused(c), HasSubstr("'doc_offsets' is missing"));
  c = {}, c.attributes["shard_index"] = uint32_t{1};
  EXPECT_THAT(refused(c), HasSubstr("shard_index is 1"));
  c = {}, c.attributes.erase("vocab_size");
  EXPECT_THAT(refused(c), HasSubstr("'vocab_size' is missing"));
  c = {}, c.attributes["n_tokens"] = int64_t{-1};
  EXPECT_THAT(refused(c), HasSubstr("n_tokens is -1"));
  EXPECT_THAT(refused({}),
              HasSubstr("checksum of dataset 'block_crc32c'"));  // the tables are zeros, their checksums are not
}

}  // namespace
}  // namespace bessemer::data
