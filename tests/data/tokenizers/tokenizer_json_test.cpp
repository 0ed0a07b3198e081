#include "data/tokenizers/tokenizer_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/data/folder.h"

namespace bessemer::data {
namespace {

using nlohmann::json;
using testing::HasSubstr;

class TokenizerJson : public FolderTest {};

ByteLevelBpe small() { return {{"<|endoftext|>", "\"", "\\", "Ġ", "Ġ\""}, {{3, 1}}, {"<|endoftext|>"}}; }

TEST_F(TokenizerJson, HasWhatHuggingFaceReads) {
  const json all = json::parse(byte_level_json(small(), "gpt2"));
  EXPECT_EQ(all.at("version"), "1.0");
  EXPECT_EQ(all.at("model").at("type"), "BPE");
  EXPECT_EQ(all.at("model").at("vocab"), json({{"<|endoftext|>", 0}, {"\"", 1}, {"\\", 2}, {"Ġ", 3}, {"Ġ\"", 4}}));
  EXPECT_EQ(all.at("model").at("merges"), json::parse(R"([["Ġ", "\""]])"));
  EXPECT_EQ(all.at("added_tokens").at(0).at("content"), "<|endoftext|>");
  EXPECT_EQ(all.at("added_tokens").at(0).at("id"), 0);
  EXPECT_EQ(all.at("pre_tokenizer"),
            json::parse(R"({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true,
                                                     "use_regex": true})"));
  EXPECT_EQ(all.at("decoder").at("type"), "ByteLevel");
}

TEST_F(TokenizerJson, WritesTheCl100kPatternAsLlama3Does) {
  const json pre = json::parse(byte_level_json(small(), "cl100k")).at("pre_tokenizer");
  EXPECT_EQ(pre.at("type"), "Sequence");
  EXPECT_THAT(pre.at("pretokenizers").at(0).at("pattern").at("Regex").get<std::string>(), HasSubstr("\\p{N}{1,3}"));
  EXPECT_EQ(pre.at("pretokenizers").at(1).at("use_regex"), false);
}

TEST_F(TokenizerJson, EqualInputGivesEqualText) {
  EXPECT_EQ(byte_level_json(small(), "gpt2"), byte_level_json(small(), "gpt2"));
}

TEST_F(TokenizerJson, RefusesInWords) {
  EXPECT_THAT(refusal([] { byte_level_json(small(), "gpt3"); }, ExitCode::kUsage), HasSubstr("choose gpt2 or cl100k"));
  auto bpe = small();
  bpe.tokens[2] = "\xFF";
  EXPECT_THAT(refusal([&] { byte_level_json(bpe, "gpt2"); }), HasSubstr("token 2 is not UTF-8"));
  bpe = small();
  bpe.merges.push_back({3, 5});
  EXPECT_THAT(refusal([&] { byte_level_json(bpe, "gpt2"); }), HasSubstr("ids 3 and 5"));
  bpe = small();
  bpe.special_tokens.push_back("<|pad|>");
  EXPECT_THAT(refusal([&] { byte_level_json(bpe, "gpt2"); }), HasSubstr("<|pad|>"));
}

}  // namespace
}  // namespace bessemer::data
