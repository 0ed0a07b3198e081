#include "data/neighbours/megatron.h"

#include <gmock/gmock.h>

#include "tests/data/neighbours/bytes.h"

namespace bessemer::data {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// An index as megatron/core/datasets/indexed_dataset.py lays it out; a test changes what it wants wrong.
struct Index {
  std::string magic = std::string("MMIDIDX\0\0", 9);
  int64_t version = 1, code = 8;
  std::vector<int64_t> lengths, pointers, documents;
  std::string modes;
  int64_t sequences = -1, entries = -1;  ///< what the header says; -1: the truth

  std::string bytes() const {
    const auto count = [](int64_t said, const std::vector<int64_t>& table) {
      return little(said < 0 ? static_cast<int64_t>(table.size()) : said, 8);
    };
    return magic + little(version, 8) + little(code, 1) + count(sequences, lengths) + count(entries, documents) +
           little(lengths, 4) + little(pointers, 8) + little(documents, 8) + modes;
  }
};

/// Documents [5, 6, 7] (in two sequences), [] and [8] as u16.
Index good_index() {
  Index index;
  index.lengths = {2, 1, 1}, index.pointers = {0, 4, 6}, index.documents = {0, 2, 2, 3};
  return index;
}

class Megatron : public FolderTest {
 protected:
  std::unique_ptr<NeighbourReader> open(const Index& index, const std::string& bin, uint32_t vocab_size = 100000) {
    write("d.idx", index.bytes()), write("d.bin", bin);
    return open_megatron(at("d.idx"), options_for(vocab_size));
  }
  std::string refused(const Index& index, const std::string& bin = little({5, 6, 7, 8}, 2)) {
    return refusal([&] { read_documents(*open(index, bin)); });
  }
};

TEST_F(Megatron, KeepsDocumentsAndJoinsTheirSequences) {
  const auto reader = open(good_index(), little({5, 6, 7, 8}, 2));
  EXPECT_EQ(reader->stated_tokens(), 4u);
  EXPECT_THAT(reader->files(), ElementsAre(at("d.bin"), at("d.idx")));
  EXPECT_THAT(read_documents(*reader), ElementsAre(ElementsAre(5, 6, 7), IsEmpty(), ElementsAre(8)));
}

TEST_F(Megatron, IsNamedByEitherFileOrWhatTheyShare) {
  open(good_index(), little({5, 6, 7, 8}, 2));
  for (const char* name : {"d", "d.bin", "d.idx"}) {
    EXPECT_TRUE(is_megatron(at(name)));
    EXPECT_EQ(open_megatron(at(name), options_for(100))->stated_tokens(), 4u);
  }
  std::filesystem::remove(at("d.idx"));
  EXPECT_FALSE(is_megatron(at("d.bin")));
  EXPECT_THAT(refusal([&] { open_megatron(at("d.bin"), options_for(100)); }), HasSubstr("d.idx: cannot be read"));
}

TEST_F(Megatron, HoldsEveryTypeOfIds) {
  for (const auto& [code, width] : std::map<int, int>{{1, 1}, {2, 1}, {3, 2}, {4, 4}, {5, 8}, {8, 2}}) {
    Index index = good_index();
    index.code = code, index.pointers = {0, 2 * width, 3 * width};
    const auto reader = open(index, little({5, 6, 7, 8}, static_cast<std::size_t>(width)));
    EXPECT_THAT(read_documents(*reader), ElementsAre(ElementsAre(5, 6, 7), IsEmpty(), ElementsAre(8))) << code;
  }
}

TEST_F(Megatron, RefusesTypesThatHoldNoIds) {
  for (const auto& [code, name] : std::map<int, std::string>{{6, "6 (f64)"}, {7, "7 (f32)"}, {0, "0,"}, {9, "9,"}}) {
    Index index = good_index();
    index.code = code;
    EXPECT_THAT(refused(index), AllOf(HasSubstr("d.idx: type code " + name), HasSubstr("8 (u16)")));
  }
}

TEST_F(Megatron, RefusesAnotherMagicOrVersion) {
  Index index = good_index();
  index.magic[0] = 'X';
  EXPECT_THAT(refused(index), HasSubstr("does not begin with MMIDIDX"));
  index.magic = std::string("TNTIDX\0\0\0", 9);
  EXPECT_THAT(refused(index), HasSubstr("older kind"));
  index = good_index(), index.version = 2;
  EXPECT_THAT(refused(index), HasSubstr("version 2, version 1 is expected"));
}

TEST_F(Megatron, RefusesAnIndexCutAnywhere) {
  const std::string whole = good_index().bytes(), bin = little({5, 6, 7, 8}, 2);
  write("d.bin", bin);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    write("d.idx", whole.substr(0, size));
    refusal([&] { read_documents(*open_megatron(at("d"), options_for(100))); });
  }
}

TEST_F(Megatron, RefusesCountsThatLie) {
  for (const int64_t count : {int64_t{0}, int64_t{2}, int64_t{4}, int64_t{1} << 60, int64_t{0x7fffffffffffffff}}) {
    Index index = good_index();
    index.sequences = count;
    EXPECT_THAT(refused(index), HasSubstr("which take another size")) << count;
    index = good_index(), index.entries = count == 4 ? 5 : count;
    EXPECT_THAT(refused(index), HasSubstr("which take another size")) << count;
  }
  Index index;
  index.documents = {0, 0};
  EXPECT_THAT(refused(index, ""), HasSubstr("no sequences"));
  index = good_index(), index.lengths = {0, 0, 0}, index.pointers = {0, 0, 0};
  EXPECT_THAT(refused(index, ""), HasSubstr("no tokens"));
}

TEST_F(Megatron, RefusesSequencesThatOverlapOrLeaveGaps) {
  for (const int64_t pointer : {int64_t{2}, int64_t{0}, int64_t{5}, int64_t{6}, int64_t{-4}, int64_t{1} << 62}) {
    Index index = good_index();
    index.pointers[1] = pointer;
    EXPECT_THAT(refused(index),
                HasSubstr(concat("sequence 1 begins at byte ", pointer, ", the one before it ends at 4")));
  }
  Index index = good_index();
  index.lengths[1] = -1;
  EXPECT_THAT(refused(index), HasSubstr("sequence 1 has length -1"));
}

TEST_F(Megatron, RefusesDocumentsThatGoBackOrMissSequences) {
  for (const auto& [documents, said] :
       std::map<std::vector<int64_t>, std::string>{{{1, 2, 2, 3}, "document 0 begins with sequence 1"},
                                                   {{0, 2, 1, 3}, "document 2 begins with sequence 1"},
                                                   {{0, -1, 2, 3}, "document 1 begins with sequence -1"},
                                                   {{0, 2, 2, 4}, "end with sequence 4, there are 3"},
                                                   {{0, 1}, "end with sequence 1"},
                                                   {{0}, "1 entries"},
                                                   {{}, "0 entries"}}) {
    Index index = good_index();
    index.documents = documents;
    EXPECT_THAT(refused(index), HasSubstr(said));
  }
}

TEST_F(Megatron, RefusesABinThatIsNotTheIndexs) {
  EXPECT_THAT(refused(good_index(), little({5, 6, 7}, 2)), AllOf(HasSubstr("d.bin"), HasSubstr("truncated")));
  EXPECT_THAT(refused(good_index(), little({5, 6, 7, 8, 9}, 2)), HasSubstr("do not belong together"));
  EXPECT_THAT(refused(good_index(), little({5, 6, 7, 8}, 2) + "x"), HasSubstr("9 bytes"));
}

TEST_F(Megatron, RefusesIdsOutsideTheVocabulary) {
  EXPECT_THAT(refusal([&] {
                read_documents(*open(good_index(), little({5, 6, 7, 8}, 2), 8));
              }),
              HasSubstr("d.bin: token 3 has id 8"));
  Index index = good_index();
  index.code = 4, index.pointers = {0, 8, 12};
  EXPECT_THAT(refused(index, little({5, 6, -7, 8}, 4)), HasSubstr("token 2 has id -7"));
}

TEST_F(Megatron, TakesModesOfTextOnly) {
  Index index = good_index();
  index.modes = std::string(3, '\0');
  EXPECT_EQ(read_documents(*open(index, little({5, 6, 7, 8}, 2))).size(), 3u);
  index.modes[2] = 1;
  EXPECT_THAT(refused(index), HasSubstr("sequence 2 has mode 1"));
}

TEST_F(Megatron, HoldsMoreTokensThan32BitsCount) {
  const int64_t most = 0x7fffffff;
  Index index;
  index.lengths = {most, 2, most}, index.pointers = {0, 2 * most, 2 * (most + 2)}, index.documents = {0, 2, 3};
  for (const uint64_t tokens : {(uint64_t{1} << 31) + 1, (uint64_t{1} << 32)}) {
    if (tokens >> 32 == 0) index.lengths = {most, 2}, index.pointers = {0, 2 * most}, index.documents = {0, 2};
    if (tokens >> 32 != 0) {
      index.lengths = {most, 2, most};
      index.pointers = {0, 2 * most, 2 * (most + 2)}, index.documents = {0, 2, 3};
    }
    write("d.idx", index.bytes());
    write_sparse(at("d.bin"), 2 * tokens, 2 * (tokens - 1), little(42, 2));
    EXPECT_EQ(open_megatron(at("d"), options_for(100))->stated_tokens(), tokens);
  }
  index.lengths.push_back(1), index.pointers.push_back(int64_t{1} << 33), index.documents.push_back(4);
  write("d.idx", index.bytes());
  const uint64_t tokens = (uint64_t{1} << 32) + 1;
  write_sparse(at("d.bin"), 2 * tokens, 2 * (tokens - 1), little(42, 2));
  EXPECT_EQ(open_megatron(at("d"), options_for(100))->stated_tokens(), tokens);
}

TEST_F(Megatron, IsWrittenAsItsOwnWriterWouldDo) {
  const auto writer = make_megatron_writer(at("out"), 65499, {2, 2});
  writer->append(std::vector<uint32_t>{5, 6}), writer->append(std::vector<uint32_t>{7}), writer->end_document();
  writer->append(std::vector<uint32_t>{8}), writer->end_document();
  writer->finish();
  Index index;
  index.lengths = {3, 1}, index.pointers = {0, 6}, index.documents = {0, 1, 2};
  EXPECT_EQ(bytes_of(at("out.idx")), index.bytes());
  EXPECT_EQ(bytes_of(at("out.bin")), little({5, 6, 7, 8}, 2));
}

TEST_F(Megatron, IsWrittenAsI32FromAVocabularyOf65500) {
  const auto writer = make_megatron_writer(at("out"), 65500, {1, 1});
  writer->append(std::vector<uint32_t>{65499}), writer->end_document(), writer->finish();
  Index index;
  index.code = 4, index.lengths = {1}, index.pointers = {0}, index.documents = {0, 1};
  EXPECT_EQ(bytes_of(at("out.idx")), index.bytes());
  EXPECT_EQ(bytes_of(at("out.bin")), little(65499, 4));
}

TEST_F(Megatron, CutsADocumentThatIsLongerThanASequence) {
  const auto writer = make_megatron_writer(at("out"), 100, {3, 2, 2});
  writer->append(std::vector<uint32_t>{1, 2, 3}), writer->end_document();
  writer->append(std::vector<uint32_t>{4, 5}), writer->end_document();
  writer->finish();
  Index index;
  index.lengths = {2, 1, 2}, index.pointers = {0, 4, 6}, index.documents = {0, 2, 3};
  EXPECT_EQ(bytes_of(at("out.idx")), index.bytes());
  const auto reader = open_megatron(at("out"), options_for(100));
  EXPECT_THAT(read_documents(*reader), ElementsAre(ElementsAre(1, 2, 3), ElementsAre(4, 5)));
}

}  // namespace
}  // namespace bessemer::data
