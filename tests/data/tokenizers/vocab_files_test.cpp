#include "data/tokenizers/vocab_files.h"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/temporary_directory.h"

namespace bessemer::data {
namespace {

std::unique_ptr<Tokenizer> open(const std::string& vocab) {
  const tests::TemporaryDirectory files;
  std::ofstream(files.file("vocab.json")) << vocab;
  std::ofstream(files.file("merges.txt")) << "#version: 0.2\nh i\n\u0120 hi\n";
  return open_gpt2(files.path());
}

// The ids are those of transformers' RobertaTokenizerFast on the same two files, but that <mask> takes the space before
// it, as in the tokenizer.json of the published models (transformers 5 forgets that where it reads these two files).
TEST(VocabFiles, RobertasHaveItsSpecialTokensAndItsTemplate) {
  const auto roberta =
      open(R"({"<s>":0,"<pad>":1,"</s>":2,"<unk>":3,"h":4,"i":5,"\u0120":6,"hi":7,"\u0120hi":8,"<mask>":9})");
  EXPECT_EQ(roberta->template_before, TokenIds{0});
  EXPECT_EQ(roberta->template_after, TokenIds{2});
  EXPECT_EQ(roberta->bos_id, 0);
  EXPECT_EQ(roberta->eod_id, 2);
  EXPECT_EQ(roberta->pad_id, 1);
  EXPECT_EQ(roberta->vocab_size(), 10);
  EXPECT_EQ(roberta->encode("hi hi"), (TokenIds{7, 8}));
  TokenIds ids;
  roberta->encoder(SpecialText::kParse)->encode("hi <mask> hi</s>", ids);
  EXPECT_EQ(ids, (TokenIds{7, 9, 8, 2}));  // the space before <mask> is its own
}

TEST(VocabFiles, GptTwosHaveItsEndOfTextAlone) {
  const auto gpt2 = open(R"({"<|endoftext|>":0,"h":1,"i":2,"\u0120":3,"hi":4,"\u0120hi":5})");
  EXPECT_TRUE(gpt2->template_before.empty());
  EXPECT_EQ(gpt2->eod_id, 0);
  EXPECT_EQ(gpt2->pad_id, -1);
  EXPECT_EQ(gpt2->encode("hi hi"), (TokenIds{4, 5}));
}

}  // namespace
}  // namespace bessemer::data
