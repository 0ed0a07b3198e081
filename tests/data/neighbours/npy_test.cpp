#include "data/neighbours/npy.h"

#include <gmock/gmock.h>

#include "tests/data/neighbours/bytes.h"
#include "tests/support/paths.h"

namespace bessemer::data {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

/// As numpy.save writes it: the header is filled up with blanks, so that the numbers begin at a multiple of 64.
std::string npy(const std::string& dictionary, const std::string& numbers, int version = 1) {
  const std::size_t begin = version == 1 ? 10 : 12;
  std::string header = dictionary;
  while ((begin + header.size() + 1) % 64 != 0) header += ' ';
  header += '\n';
  return "\x93NUMPY" + little(version, 1) + little(0, 1) + little(static_cast<int64_t>(header.size()), begin - 8) +
         header + numbers;
}

std::string described(const std::string& descr, const std::string& shape, const std::string& numbers) {
  return npy("{'descr': '" + descr + "', 'fortran_order': False, 'shape': " + shape + ", }", numbers);
}

class Npy : public FolderTest {
 protected:
  DocumentIds read(const std::string& bytes, uint32_t vocab_size = 100000, int64_t eod_id = -1) {
    return read_documents(*open_npy(write("a.npy", bytes), options_for(vocab_size, eod_id)));
  }
  std::string refused(const std::string& bytes, int64_t eod_id = -1) {
    return refusal([&] { read(bytes, 100, eod_id); });
  }
};

TEST_F(Npy, FilesOfNumpyAreRead) {
  const std::string folder = tests::kSourceDir + "/tests/data/neighbours/golden/";
  EXPECT_THAT(read_documents(*open_npy(folder + "flat.npy", options_for(65536))),
              ElementsAre(ElementsAre(5, 0, 65535)));
  EXPECT_THAT(read_documents(*open_npy(folder + "rows.npy", options_for(7))),
              ElementsAre(ElementsAre(1, 2, 3), ElementsAre(4, 5, 6)));
}

TEST_F(Npy, HoldsIdsInARowOfAnyIntegerType) {
  for (const auto& [descr, width] : std::map<std::string, int>{
           {"|u1", 1}, {"|i1", 1}, {"<u2", 2}, {"<i2", 2}, {"<u4", 4}, {"<i4", 4}, {"<u8", 8}, {"<i8", 8}})
    EXPECT_THAT(read(described(descr, "(3,)", little({5, 0, 7}, static_cast<std::size_t>(width)))),
                ElementsAre(ElementsAre(5, 0, 7)));
  EXPECT_THAT(read(described("<u2", "(3,)", little({5, 0, 7}, 2)), 100, 0),
              ElementsAre(ElementsAre(5, 0), ElementsAre(7)));
}

TEST_F(Npy, HoldsADocumentInEachRow) {
  const std::string bytes = described("<i4", "(2, 3)", little({1, 2, 3, 4, 5, 6}, 4));
  EXPECT_THAT(read(bytes), ElementsAre(ElementsAre(1, 2, 3), ElementsAre(4, 5, 6)));
  EXPECT_THAT(refused(bytes, 3), HasSubstr("leave --eod-id out"));
}

TEST_F(Npy, MayHaveALongerHeaderOrAnotherOrderOfKeys) {
  for (const int version : {1, 2, 3})
    EXPECT_THAT(read(npy(R"({"shape": (2L,),  'fortran_order':True,"descr":'<u2'})", little({1, 2}, 2), version)),
                ElementsAre(ElementsAre(1, 2)));
}

TEST_F(Npy, IsRecognizedByItsMagic) {
  EXPECT_TRUE(is_npy(write("a", described("<u2", "(0,)", ""))));
  EXPECT_FALSE(is_npy(write("b", "NUMPY")));
}

TEST_F(Npy, RefusesWhatHoldsNoIds) {
  for (const char* descr : {"<f4", "<f8", "|b1", "<c8", "<u3", "|O", "", "<U4"})
    EXPECT_THAT(refused(described(descr, "(1,)", little(1, 4))), HasSubstr("integers are expected")) << descr;
  EXPECT_THAT(refused(described(">u2", "(1,)", little(1, 2))), HasSubstr("x.astype('<u2')"));
  EXPECT_THAT(refused(described("<i2", "(2,)", little({1, -1}, 2))), HasSubstr("token 1 has id -1"));
  EXPECT_THAT(refused(described("<u2", "(2,)", little({1, 100}, 2))), HasSubstr("token 1 has id 100"));
  EXPECT_THAT(refused(described("<u2", "(0,)", "")), HasSubstr("no tokens"));
  EXPECT_THAT(refused(described("<u2", "(3, 0)", "")), HasSubstr("no tokens"));
}

TEST_F(Npy, RefusesShapesItCannotMean) {
  EXPECT_THAT(refused(described("<u2", "()", little(1, 2))), HasSubstr("0 dimensions"));
  EXPECT_THAT(refused(described("<u2", "(1, 1, 1)", little(1, 2))), HasSubstr("3 dimensions"));
  EXPECT_THAT(refused(npy("{'descr': '<u2', 'fortran_order': True, 'shape': (1, 2)}", little({1, 2}, 2))),
              HasSubstr("ascontiguousarray"));
}

TEST_F(Npy, RefusesSizesThatLie) {
  for (const char* shape : {"(2,)", "(4,)", "(9223372036854775808,)", "(18446744073709551615,)",
                            "(4294967296, 4294967296)", "(3, 18446744073709551615)", "(2, 2)"})
    EXPECT_THAT(refused(described("<u2", shape, little({1, 2, 3}, 2))), HasSubstr("another size")) << shape;
  EXPECT_THAT(refused(described("<u2", "(99999999999999999999,)", "")), HasSubstr("beyond 64 bits"));
  EXPECT_THAT(refused(described("<u2", "(-1,)", "")), HasSubstr("no extent"));
}

TEST_F(Npy, RefusesAHeaderThatIsNone) {
  EXPECT_THAT(refused("abc"), AllOf(HasSubstr("plain numbers"), HasSubstr("--from nanogpt")));
  EXPECT_THAT(refused(npy("{}", "", 4)), HasSubstr("version 4.0"));
  EXPECT_THAT(refused(npy("{}", "")), HasSubstr("lacks descr"));
  EXPECT_THAT(refused(npy("{'descr': '<u2', 'shape': (1,)}", "ab")), HasSubstr("lacks fortran_order"));
  EXPECT_THAT(refused(npy("{'descr': '<u2', 'descr': '<u2'}", "")), HasSubstr("the key 'descr'"));
  EXPECT_THAT(refused(npy("{'order': 1}", "")), HasSubstr("the key 'order'"));
  EXPECT_THAT(refused(npy("{'descr: 1}", "")), HasSubstr("without an end"));
  EXPECT_THAT(refused(npy("[1]", "")), HasSubstr("no '{'"));
  const std::string whole = described("<u2", "(3,)", little({1, 2, 3}, 2));
  for (std::size_t size = 0; size < whole.size(); ++size) refused(whole.substr(0, size));
}

TEST_F(Npy, HoldsMoreTokensThan32BitsCount) {
  const uint64_t tokens = (uint64_t{1} << 32) + 1;
  const std::string front = described("<u2", concat("(", tokens, ",)"), "");
  write_sparse(at("big.npy"), front.size() + 2 * tokens, front.size(), little(1, 2), front);
  EXPECT_EQ(open_npy(at("big.npy"), options_for(100))->stated_tokens(), tokens);
}

}  // namespace
}  // namespace bessemer::data
