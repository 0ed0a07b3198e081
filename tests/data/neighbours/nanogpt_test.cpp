#include "data/neighbours/nanogpt.h"

#include <gmock/gmock.h>

#include "tests/data/neighbours/bytes.h"

namespace bessemer::data {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

class NanoGpt : public FolderTest {
 protected:
  DocumentIds read(const std::string& path, const NeighbourOptions& options) {
    return read_documents(*open_nanogpt(path, options));
  }
};

TEST_F(NanoGpt, IsOneDocumentWithoutAnEodId) {
  const std::string path = write("train.bin", little({7, 0, 65534, 1}, 2));
  EXPECT_THAT(read(path, options_for(65535)), ElementsAre(ElementsAre(7, 0, 65534, 1)));
  EXPECT_EQ(open_nanogpt(path, options_for(65535))->stated_tokens(), 4u);
}

TEST_F(NanoGpt, EndsDocumentsBehindTheEodId) {
  const std::string path = write("train.bin", little({9, 1, 2, 9, 9, 3}, 2));
  EXPECT_THAT(read(path, options_for(10, 9)),
              ElementsAre(ElementsAre(9), ElementsAre(1, 2, 9), ElementsAre(9), ElementsAre(3)));
  const auto reader = open_nanogpt(path, options_for(10, 9));
  TokenPiece piece;
  while (reader->next(piece) && piece.ids.front() != 3) {
  }
  EXPECT_FALSE(piece.ends_document) << "the last one goes on in the next file";
}

TEST_F(NanoGpt, FindsEndsInEveryPiece) {
  std::string bytes;
  const std::size_t tokens = 2 * TokenFile::kPiece + 3;
  for (std::size_t i = 0; i < tokens; ++i) bytes += little(i % 1000 == 999 ? 5 : 1, 2);
  const auto documents = read(write("train.bin", bytes), options_for(10, 5));
  ASSERT_EQ(documents.size(), (tokens + 999) / 1000);
  for (std::size_t d = 0; d + 1 < documents.size(); ++d) EXPECT_EQ(documents[d].size(), 1000u);
}

TEST_F(NanoGpt, TakesTheTypeItIsTold) {
  auto options = options_for(100000);
  options.dtype = element_of("i32");
  EXPECT_THAT(read(write("train.bin", little({70000, 3}, 4)), options), ElementsAre(ElementsAre(70000, 3)));
  EXPECT_THAT(refusal([&] { read(write("b.bin", little({1, -1}, 4)), options); }), HasSubstr("token 1 has id -1"));
}

TEST_F(NanoGpt, IsRefusedWhereItIsSomethingElse) {
  EXPECT_THAT(refusal([&] { read(write("a.bin", "abc"), options_for(100000)); }),
              AllOf(HasSubstr("3 bytes"), HasSubstr("u16")));
  EXPECT_THAT(refusal([&] { read(write("b.bin", ""), options_for(100)); }), HasSubstr("no tokens"));
  EXPECT_THAT(refusal([&] {
                read(write("c.bin", little({20240520, 1, 4}, 4)), options_for(100000));
              }),
              HasSubstr("--from llmc"));
  EXPECT_THAT(refusal([&] { read(at("none.bin"), options_for(100)); }), HasSubstr("none.bin: cannot be read"));
  EXPECT_THAT(refusal([&] {
                read(write("d.bin", little({1, 50257}, 2)), options_for(50257));
              }),
              HasSubstr("token 1 has id 50257"));
}

TEST_F(NanoGpt, HoldsMoreTokensThan32BitsCount) {
  for (const uint64_t tokens : {(uint64_t{1} << 31) + 1, (uint64_t{1} << 32) + 1}) {
    write_sparse(at("big.bin"), 2 * tokens, 0, little(1, 2));
    EXPECT_EQ(open_nanogpt(at("big.bin"), options_for(100))->stated_tokens(), tokens);
  }
}

TEST_F(NanoGpt, IsWrittenAsItIsRead) {
  const std::vector<uint32_t> ids{0, 1, 65535, 300};
  const auto writer = make_nanogpt_writer(at("out.bin"), 65536);
  writer->append(ids);
  EXPECT_FALSE(std::filesystem::exists(at("out.bin")));
  writer->finish();
  EXPECT_EQ(bytes_of(at("out.bin")), little({0, 1, 65535, 300}, 2));
  EXPECT_THAT(refusal([&] { make_nanogpt_writer(at("x.bin"), 65537); }, ExitCode::kUsage),
              HasSubstr("65537 does not fit"));
}

TEST_F(NanoGpt, LeavesNothingWhereItIsNotFinished) {
  make_nanogpt_writer(at("out.bin"), 100)->append(std::vector<uint32_t>{1});
  EXPECT_TRUE(std::filesystem::is_empty(folder()));
}

}  // namespace
}  // namespace bessemer::data
