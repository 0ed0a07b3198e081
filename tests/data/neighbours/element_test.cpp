#include "data/neighbours/element.h"

#include <gmock/gmock.h>

#include "tests/data/neighbours/bytes.h"

namespace bessemer::data {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

class Elements : public FolderTest {};

std::vector<uint32_t> widened(const std::string& bytes, Element element, uint32_t vocab_size) {
  std::vector<uint32_t> out;
  widen({reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size()}, element, vocab_size, "f.bin", 7, out);
  return out;
}

TEST_F(Elements, HaveNamesOfTheirOwnAndNumpys) {
  for (const char* name : {"u8", "u16", "u32", "u64", "i8", "i16", "i32", "i64"})
    EXPECT_EQ(name_of(*element_of(name)), name);
  EXPECT_EQ(element_of("uint16"), (Element{2, false}));
  EXPECT_EQ(element_of("int64"), (Element{8, true}));
  EXPECT_FALSE(element_of("f32"));
  EXPECT_FALSE(element_of(""));
}

TEST_F(Elements, AreWidenedFromEveryWidth) {
  for (const uint32_t width : {1u, 2u, 4u, 8u}) {
    EXPECT_THAT(widened(little({0, 5, 127}, width), {width, true}, 128), ElementsAre(0, 5, 127));
    EXPECT_THAT(widened(little({0, 5, 127}, width), {width, false}, 128), ElementsAre(0, 5, 127));
  }
  EXPECT_THAT(widened(little(std::vector<int64_t>{0xfffffffe}, 4), {4, false}, 0xffffffff), ElementsAre(0xfffffffe));
}

TEST_F(Elements, RefuseIdsOutsideTheVocabularyWithTheirPlace) {
  for (const uint32_t width : {1u, 2u, 4u, 8u}) {
    EXPECT_THAT(refusal([&] {
                  widened(little({1, -2, 3}, width), {width, true}, 100);
                }),
                AllOf(HasSubstr("f.bin: token 8 has id -2"), HasSubstr("0 to 99")));
    EXPECT_THAT(refusal([&] {
                  widened(little({1, 2, 100}, width), {width, false}, 100);
                }),
                AllOf(HasSubstr("token 9 has id 100"), HasSubstr("--dtype")));
  }
  EXPECT_THAT(refusal([&] { widened(little(int64_t{1} << 32, 8), {8, true}, 100); }), HasSubstr("id 4294967296"));
}

TEST_F(Elements, LieInAFileThatMustHoldThem) {
  const std::string path = write("a.bin", "xx" + little({10, 11, 12}, 2));
  TokenFile file(path, 2, 3, {2, false}, 100);
  EXPECT_THAT(file.read(2), ElementsAre(10, 11));
  EXPECT_THAT(file.read(), ElementsAre(12));
  EXPECT_TRUE(file.read().empty());
  EXPECT_THAT(refusal([&] {
                TokenFile(path, 2, 4, {2, false}, 100);
              }),
              AllOf(HasSubstr("8 bytes cannot hold 4 tokens"), HasSubstr("truncated")));
  EXPECT_THAT(refusal([&] { TokenFile(path, 2, uint64_t{1} << 63, {2, false}, 100); }), HasSubstr("cannot hold"));
  EXPECT_THAT(refusal([&] { TokenFile(path, 9, 0, {2, false}, 100); }), HasSubstr("behind byte 9"));
}

TEST_F(Elements, AreReadBeyondFourGibi) {
  const uint64_t tokens = (uint64_t{1} << 32) + 1;
  write_sparse(at("big.bin"), 2 * tokens, 2 * (tokens - 1), little(42, 2));
  TokenFile file(at("big.bin"), 0, tokens, {2, false}, 100);
  file.seek(tokens - 2);
  EXPECT_THAT(file.read(), ElementsAre(0, 42));
}

TEST_F(Elements, SayWhenTheFileShrinksWhileItIsRead) {
  const std::string path = write("a.bin", little({1, 2, 3, 4}, 2));
  TokenFile file(path, 0, 4, {2, false}, 100);
  std::filesystem::resize_file(path, 4);
  EXPECT_THAT(refusal([&] { file.read(); }), HasSubstr("ends at token 2 of 4"));
}

}  // namespace
}  // namespace bessemer::data
