#include "data/neighbours/cerebras.h"

#include <gmock/gmock.h>

#include "tests/data/neighbours/hdf5_file.h"
#include "tests/support/paths.h"

namespace bessemer::data {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string golden(const std::string& name) {
  return concat(tests::kSourceDir, "/tests/data/neighbours/golden/", name);
}

class Cerebras : public FolderTest {
 protected:
  DocumentIds read(const std::string& path, int64_t eod_id = -1, uint32_t vocab_size = 100) {
    return read_documents(*open_cerebras(path, options_for(vocab_size, eod_id)));
  }
  /// A sample of four places.
  std::string samples(uint64_t planes, const std::vector<int64_t>& numbers, Dtype dtype = Dtype::kI32) {
    return write_hdf5(at("s.h5"), {{{"data", dtype, {numbers.size() / planes / 4, planes, 4}}, numbers}});
  }
};

TEST_F(Cerebras, FilesOfH5pyAreRead) {
  EXPECT_THAT(read(golden("cerebras_corpus.h5")), ElementsAre(ElementsAre(5, 6, 9, 7, 9)));
  EXPECT_THAT(read(golden("cerebras_corpus.h5"), 9), ElementsAre(ElementsAre(5, 6, 9), ElementsAre(7, 9)));
  EXPECT_THAT(read(golden("cerebras_samples.h5")), ElementsAre(ElementsAre(1, 2, 3, 9), ElementsAre(4, 5, 6, 7, 8, 9)));
  EXPECT_THAT(read(golden("cerebras_vsl.h5")),
              ElementsAre(ElementsAre(1, 2, 9), ElementsAre(3, 9), ElementsAre(4, 5, 9), ElementsAre(6, 7, 8, 9)));
}

TEST_F(Cerebras, IsRecognizedByItsData) {
  EXPECT_TRUE(is_cerebras(golden("cerebras_vsl.h5")));
  EXPECT_FALSE(is_cerebras(golden("nvidia_bert.h5")));
  EXPECT_FALSE(is_cerebras(write("a.h5", "\x89HDF\r\n\x1a\n and no more")));
  EXPECT_FALSE(is_cerebras(write("b.h5", "")));
}

TEST_F(Cerebras, CorpusIsReadInPieces) {
  const uint64_t tokens = TokenFile::kPiece + 5;
  std::vector<int64_t> ids(tokens, 3);
  ids[TokenFile::kPiece] = 4;
  const auto documents = read(write_hdf5(at("c.h5"), {{{"data", Dtype::kU32, {tokens}}, ids}}), 4);
  ASSERT_EQ(documents.size(), 2u);
  EXPECT_EQ(documents[0].size(), TokenFile::kPiece + 1);
  ids[TokenFile::kPiece + 1] = 100;
  EXPECT_THAT(refusal([&] {
                read(write_hdf5(at("c.h5"), {{{"data", Dtype::kU32, {tokens}}, ids}}));
              }),
              HasSubstr(concat("token ", TokenFile::kPiece + 1, " has id 100")));
}

TEST_F(Cerebras, SampleEndsWhereNothingCountsAnyMore) {
  EXPECT_THAT(read(samples(3, {1, 2, 0, 0, /**/ 0, 1, 0, 0, /**/ 2, 9, 0, 0})), ElementsAre(ElementsAre(1, 2, 9)));
  const auto reader = open_cerebras(samples(3, {1, 2, 0, 0, /**/ 0, 0, 0, 0, /**/ 2, 9, 0, 0}), options_for(100));
  EXPECT_THAT(read_documents(*reader), ElementsAre(IsEmpty()));
  EXPECT_THAT(reader->remark(), HasSubstr("1 samples"));
}

TEST_F(Cerebras, FourPlanesEndDocumentsToo) {
  EXPECT_THAT(read(samples(4, {1, 9, 2, 3, /**/ 1, 0, 1, 1, /**/ 9, 2, 3, 9, /**/ 1, 0, 1, 0})),
              ElementsAre(ElementsAre(1, 9), ElementsAre(2, 3, 9)));
}

TEST_F(Cerebras, RefusesWhatTheSampleCannotMean) {
  EXPECT_THAT(refusal([&] {
                read(samples(4, {1, 9, 2, 3, 1, 0, 1, 1, 9, 2, 3, 9, 1, 0, 2, 1}));
              }),
              HasSubstr("sample 0: attention_span does not come down"));
  EXPECT_THAT(refusal([&] {
                read(samples(4, {1, 9, 2, 3, 1, 0, 1, 1, 9, 2, 3, 9, 1, -1, 1, 0}));
              }),
              HasSubstr("attention_span 1 is -1"));
  EXPECT_THAT(refusal([&] {
                read(samples(3, {1, -2, 0, 0, 1, 1, 0, 0, 2, 9, 0, 0}));
              }),
              HasSubstr("sample 0, input ids: token 1 has id -2"));
  EXPECT_THAT(refusal([&] {
                read(samples(3, {1, 2, 0, 0, 1, 1, 0, 0, 2, 100, 0, 0}));
              }),
              HasSubstr("sample 0, labels: token 1 has id 100"));
  EXPECT_THAT(refusal([&] { read(golden("cerebras_samples.h5"), 9); }), HasSubstr("leave --eod-id out"));
}

TEST_F(Cerebras, RefusesOtherShapesAndTypes) {
  const auto refused = [&](const LayoutDataset& dataset, const std::map<std::string, Attribute>& attributes = {}) {
    create_layout(at("o.h5"), {dataset}, attributes);
    return refusal([&] { read(at("o.h5")); });
  };
  EXPECT_THAT(refused({"data", Dtype::kI32, {2, 3}}), HasSubstr("shape [2, 3]"));
  EXPECT_THAT(refused({"data", Dtype::kI32, {2, 2, 4}}), HasSubstr("3 to 5"));
  EXPECT_THAT(refused({"data", Dtype::kI32, {2, 6, 4}}), HasSubstr("3 to 5"));
  EXPECT_THAT(refused({"data", Dtype::kI32, {0, 3, 4}}), HasSubstr("no samples"));
  EXPECT_THAT(refused({"data", Dtype::kF32, {4}}), AllOf(HasSubstr("type f32"), HasSubstr("integers")));
  EXPECT_THAT(refused({"data", Dtype::kU16, {0}}), HasSubstr("no tokens"));
  EXPECT_THAT(refusal([&] { read(golden("hollow.h5")); }), HasSubstr("made to fill memory"));
  EXPECT_THAT(refused({"tokens", Dtype::kU16, {4}}), HasSubstr("dataset 'data' is missing; found: tokens"));
  EXPECT_THAT(refused({"data", Dtype::kU16, {4}}, {{"format", std::string("token-shard")}}),
              HasSubstr("a token shard already"));
  EXPECT_THAT(refused({"example_0/tokens", Dtype::kU8, {4}}), HasSubstr("texts of tokens"));
}

}  // namespace
}  // namespace bessemer::data
