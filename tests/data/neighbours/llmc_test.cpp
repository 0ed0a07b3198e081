#include "data/neighbours/llmc.h"

#include <gmock/gmock.h>

#include "tests/data/neighbours/bytes.h"

namespace bessemer::data {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

/// As llm.c's dev/data/data_common.py lays it out: 256 i32, three of them used.
std::string header(int64_t magic, int64_t version, int64_t tokens) {
  return little({magic, version, tokens}, 4) + std::string(253 * 4, '\0');
}

class LlmC : public FolderTest {
 protected:
  std::string refused(const std::string& bytes) {
    const std::string path = write("a.bin", bytes);
    return refusal([&] { read_documents(*open_llmc(path, options_for(100000))); });
  }
};

TEST_F(LlmC, HoldsU16OrU32ByItsMagic) {
  const auto small = open_llmc(write("a.bin", header(20240520, 1, 3) + little({5, 65535, 6}, 2)), options_for(65536));
  EXPECT_EQ(small->stated_tokens(), 3u);
  EXPECT_THAT(read_documents(*small), ElementsAre(ElementsAre(5, 65535, 6)));
  const auto large = open_llmc(write("b.bin", header(20240801, 7, 2) + little({128000, 6}, 4)), options_for(128256, 6));
  EXPECT_THAT(read_documents(*large), ElementsAre(ElementsAre(128000, 6)));
}

TEST_F(LlmC, IsRecognizedByItsMagic) {
  EXPECT_TRUE(is_llmc(write("a.bin", header(20240520, 1, 0))));
  EXPECT_TRUE(is_llmc(write("b.bin", header(20240801, 7, 0))));
  EXPECT_FALSE(is_llmc(write("c.bin", header(20240522, 1, 0))));
  EXPECT_FALSE(is_llmc(write("d.bin", "abc")));
  EXPECT_FALSE(is_llmc(at("none")));
  EXPECT_FALSE(is_llmc(folder()));
}

TEST_F(LlmC, IsRefusedByItsHeader) {
  EXPECT_THAT(refused(header(1, 1, 0)), HasSubstr("magic number 1, 20240520"));
  EXPECT_THAT(refused(header(20240522, 1, 0)), HasSubstr("evaluation set"));
  EXPECT_THAT(refused(header(20240326, 3, 0)), HasSubstr("a model of llm.c"));
  EXPECT_THAT(refused(header(20240520, 2, 1) + "ab"),
              AllOf(HasSubstr("version 2"), HasSubstr("version 1 is expected")));
  EXPECT_THAT(refused(header(20240801, 1, 1) + "abcd"), HasSubstr("version 7 is expected"));
  EXPECT_THAT(refused(header(20240520, 1, 1).substr(0, 1000)), AllOf(HasSubstr("1000 bytes"), HasSubstr("truncated")));
  EXPECT_THAT(refused(header(20240520, 1, 0)), HasSubstr("no tokens"));
}

TEST_F(LlmC, IsRefusedWhereItsCountIsNotTheFiles) {
  EXPECT_THAT(refused(header(20240520, 1, 3) + little({1, 2}, 2)),
              AllOf(HasSubstr("says 3 tokens"), HasSubstr("truncated")));
  EXPECT_THAT(refused(header(20240520, 1, 1) + little({1, 2}, 2)), HasSubstr("longer than it says"));
  EXPECT_THAT(refused(header(20240520, 1, 2) + little({1, 2}, 2) + "x"), HasSubstr("longer"));
  EXPECT_THAT(refused(header(20240801, 7, 1) + little(100000, 4)), HasSubstr("token 0 has id 100000"));
}

TEST_F(LlmC, CountsUpTo31Bits) {
  const uint64_t most = 0x7fffffff;
  write_sparse(at("most.bin"), 1024 + 2 * most, 1024, little(1, 2), header(20240520, 1, 0x7fffffff));
  EXPECT_EQ(open_llmc(at("most.bin"), options_for(100))->stated_tokens(), most);
  // One more, and 2^31 + 1 of them, would be a negative number; 2^32 + 1 would be 1.
  for (const uint64_t tokens : {most + 1, most + 2}) {
    write_sparse(at("big.bin"), 1024 + 2 * tokens, 1024, little(1, 2),
                 header(20240520, 1, static_cast<int64_t>(tokens)));
    EXPECT_THAT(refusal([&] { open_llmc(at("big.bin"), options_for(100)); }), HasSubstr("2^31"));
  }
  const uint64_t wrapped = (uint64_t{1} << 32) + 1;
  write_sparse(at("big.bin"), 1024 + 2 * wrapped, 1024, little(1, 2),
               header(20240520, 1, static_cast<int64_t>(wrapped)));
  EXPECT_THAT(refusal([&] { open_llmc(at("big.bin"), options_for(100)); }), HasSubstr("longer than it says"));
}

TEST_F(LlmC, IsWrittenAsItIsRead) {
  const std::vector<uint32_t> ids{3, 65535};
  const auto small = make_llmc_writer(at("a.bin"), 65536, 2, kLlmcMostTokens);
  small->append(ids), small->finish();
  EXPECT_EQ(bytes_of(at("a.bin")), header(20240520, 1, 2) + little({3, 65535}, 2));
  const auto large = make_llmc_writer(at("b.bin"), 65537, 2, kLlmcMostTokens);
  large->append(ids), large->finish();
  EXPECT_EQ(bytes_of(at("b.bin")), header(20240801, 7, 2) + little({3, 65535}, 4));
}

TEST_F(LlmC, IsSeveralFilesWhereOneIsFull) {
  const auto writer = make_llmc_writer(at("x_train.bin"), 100, 5, 2);
  writer->append(std::vector<uint32_t>{1, 2, 3});
  writer->append(std::vector<uint32_t>{4, 5});
  writer->finish();
  EXPECT_THAT(writer->files(),
              ElementsAre(at("x_train_000000.bin"), at("x_train_000001.bin"), at("x_train_000002.bin")));
  EXPECT_EQ(bytes_of(at("x_train_000001.bin")), header(20240520, 1, 2) + little({3, 4}, 2));
  EXPECT_EQ(bytes_of(at("x_train_000002.bin")), header(20240520, 1, 1) + little(5, 2));
  refusal([&] { make_llmc_writer(at("y.bin"), 100, 5, 0); }, ExitCode::kUsage);
  EXPECT_THAT(refusal([&] { make_llmc_writer(at("y.bin"), 100, 5, kLlmcMostTokens + 1); }, ExitCode::kUsage),
              HasSubstr("--tokens-per-file 2147483648"));
}

}  // namespace
}  // namespace bessemer::data
