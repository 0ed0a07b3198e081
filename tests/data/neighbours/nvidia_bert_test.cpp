#include "data/neighbours/nvidia_bert.h"

#include <gmock/gmock.h>

#include "tests/data/neighbours/hdf5_file.h"
#include "tests/support/paths.h"

namespace bessemer::data {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class NvidiaBert : public FolderTest {
 protected:
  /// One row of three places and two masked ones; a test changes what it wants wrong.
  struct Row {
    std::vector<int64_t> ids{1, 3, 2}, mask{1, 1, 1}, positions{1, 0}, masked{7, 0};
    Dtype type = Dtype::kI32;
  };
  DocumentIds read(const Row& row) {
    const auto one = [](std::size_t columns) { return std::vector<uint64_t>{1, columns}; };
    write_hdf5(at("b.h5"), {{{"input_ids", row.type, one(row.ids.size())}, row.ids},
                            {{"input_mask", Dtype::kU8, one(row.mask.size())}, row.mask},
                            {{"segment_ids", Dtype::kU8, one(3)}, {0, 0, 0}},
                            {{"masked_lm_positions", Dtype::kI32, one(row.positions.size())}, row.positions},
                            {{"masked_lm_ids", Dtype::kI32, one(row.masked.size())}, row.masked},
                            {{"next_sentence_labels", Dtype::kU8, {1}}, {0}}});
    return read_documents(*open_nvidia_bert(at("b.h5"), options_for(100)));
  }
  std::string refused(const Row& row) {
    return refusal([&] { read(row); });
  }
};

TEST_F(NvidiaBert, FileOfH5pyIsReadWithoutPaddingAndMasks) {
  const std::string path = concat(tests::kSourceDir, "/tests/data/neighbours/golden/nvidia_bert.h5");
  EXPECT_TRUE(is_nvidia_bert(path));
  EXPECT_THAT(read_documents(*open_nvidia_bert(path, options_for(100))),
              ElementsAre(ElementsAre(1, 10, 11, 2, 12, 2), ElementsAre(1, 10, 2, 13, 14, 15, 16, 2)));
}

TEST_F(NvidiaBert, RowOfPaddingAloneIsEmpty) {
  Row row;
  row.mask = {0, 0, 0}, row.positions = {0, 0};
  EXPECT_THAT(read(row), ElementsAre(IsEmpty()));
}

TEST_F(NvidiaBert, RefusesRowsThatContradictThemselves) {
  Row row;
  row.mask = {1, 0, 1};
  EXPECT_THAT(refused(row), HasSubstr("row 0: input_mask 2 is 1"));
  row = {}, row.mask = {1, 2, 0};
  EXPECT_THAT(refused(row), HasSubstr("input_mask 1 is 2"));
  row = {}, row.positions = {3, 0};
  EXPECT_THAT(refused(row), HasSubstr("masked_lm_positions 0 is 3, the row has 3 tokens"));
  row = {}, row.positions = {-1, 0};
  EXPECT_THAT(refused(row), HasSubstr("masked_lm_positions 0 is -1"));
  row = {}, row.masked = {100, 0};
  EXPECT_THAT(refused(row), HasSubstr("row 0: token 1 has id 100"));
  row = {}, row.ids = {1, 3, -2};
  EXPECT_THAT(refused(row), HasSubstr("token 2 has id -2"));
}

TEST_F(NvidiaBert, RefusesDatasetsThatDoNotFitTogether) {
  Row row;
  row.mask = {1, 1};
  EXPECT_THAT(refused(row), HasSubstr("input_mask 2"));
  row = {}, row.masked = {7};
  EXPECT_THAT(refused(row), HasSubstr("masked_lm_ids 1"));
  row = {}, row.type = Dtype::kF32;
  EXPECT_THAT(refused(row), HasSubstr("'input_ids' is of type f32"));
  create_layout(at("m.h5"), {{"input_ids", Dtype::kI32, {1, 3}}}, {});
  EXPECT_FALSE(is_nvidia_bert(at("m.h5")));
  EXPECT_THAT(refusal([&] { open_nvidia_bert(at("m.h5"), options_for(100)); }), HasSubstr("'input_mask' is missing"));
}

}  // namespace
}  // namespace bessemer::data
