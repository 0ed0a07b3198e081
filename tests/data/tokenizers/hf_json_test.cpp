#include "data/tokenizers/hf_json.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "data/tokenizers/byte_level.h"
#include "data/tokenizers/tokenizer_json.h"
#include "tests/data/folder.h"
#include "tests/support/paths.h"

namespace bessemer::data {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using HfJson = FolderTest;

/// Bytes 0 to 255 in their order, "he" 256, "ll" 257, "hell" 258, "<|endoftext|>" 259.
ByteLevelBpe small() {
  ByteLevelBpe bpe;
  for (int byte = 0; byte < 256; ++byte) bpe.tokens.push_back(bytes_to_chars(std::string(1, static_cast<char>(byte))));
  bpe.tokens.insert(bpe.tokens.end(), {"he", "ll", "hell", "<|endoftext|>"});
  bpe.merges = {{'h', 'e'}, {'l', 'l'}, {256, 257}};
  bpe.special_tokens = {"<|endoftext|>"};
  return bpe;
}

json file() { return json::parse(byte_level_json(small(), "gpt2")); }

TokenIds encoded(const Tokenizer& tokenizer, std::string_view text, SpecialText special) {
  TokenIds ids;
  tokenizer.encoder(special)->encode(text, ids);
  return ids;
}

TEST_F(HfJson, ByteLevelBpeReadsAndWritesText) {
  const auto tokenizer = hf_tokenizer(file().dump(), "t.json");
  EXPECT_EQ(tokenizer->kind(), "bpe");
  EXPECT_EQ(tokenizer->vocab_size(), 260);
  EXPECT_EQ(tokenizer->eod_id, 259);
  EXPECT_THAT(tokenizer->encode("hello hell"), ElementsAre(258, 'o', ' ', 258));
  EXPECT_EQ(tokenizer->token(258), "hell");
  EXPECT_EQ(tokenizer->token(0xFF), "\xFF");
  for (const std::string text : {"", "h\u00E9llo  w\u00F6rld\n", "\U0001F600\u4E2D", "a\tb\r\n"})
    EXPECT_EQ(tokenizer->decode(tokenizer->encode(text)), text);
}

TEST_F(HfJson, SpecialTextsAreTextUnlessAskedFor) {
  const auto tokenizer = hf_tokenizer(file().dump(), "t.json");
  const std::string text = "hell<|endoftext|>he";
  EXPECT_THAT(encoded(*tokenizer, text, SpecialText::kParse), ElementsAre(258, 259, 256));
  const auto plain = encoded(*tokenizer, text, SpecialText::kPlain);
  EXPECT_THAT(plain, testing::Not(testing::Contains(259u)));
  EXPECT_EQ(tokenizer->decode(plain), text);
}

TEST_F(HfJson, SpecialTokensAreAddedBehindTheVocabulary) {
  const auto one = open_tokenizer_spec("hf:" + tests::kSourceDir + "/tests/oracles/chat/bytes.json");
  const int64_t size = one->vocab_size();
  const auto more = with_special_tokens(*one, {"<|new|>", "<|im_end|>", "t", "<|newer|>"});
  EXPECT_EQ(more->vocab_size(), size + 2);
  EXPECT_EQ(more->special_token("<|new|>"), size);
  EXPECT_EQ(more->special_token("<|newer|>"), size + 1);
  EXPECT_EQ(more->special_token("<|im_end|>"), one->special_token("<|im_end|>")) << "it is there";
  EXPECT_EQ(more->token(static_cast<uint32_t>(more->special_token("t"))), "t") << "it has an id already";
  EXPECT_LT(more->special_token("t"), size);
  const std::string text = "The tower <|new|> \u00e9\n";
  EXPECT_EQ(more->encode(text), one->encode(text)) << "texts stay what they were";
  TokenIds ids;
  more->encoder(SpecialText::kParse)->encode("<|newer|><|new|>", ids);
  EXPECT_EQ(ids, (TokenIds{static_cast<uint32_t>(size + 1), static_cast<uint32_t>(size)}));
  EXPECT_EQ(load_tokenizer(more->json())->sha256(), more->sha256());
  EXPECT_THAT(refusal([] { with_special_tokens(*make_bytes_tokenizer(), {"<s>"}); }), HasSubstr("kind bytes"));
}

TEST_F(HfJson, BrokenUtf8IsReplacedAndCounted) {
  const auto tokenizer = hf_tokenizer(file().dump(), "t.json");
  const auto encoder = tokenizer->encoder();
  TokenIds ids;
  encoder->encode("a\xFF\xE4\xB8z\xF0\x9F\x98", ids);
  EXPECT_EQ(encoder->replaced(), 3u);
  EXPECT_EQ(tokenizer->decode(ids), "a\uFFFD\uFFFDz\uFFFD");
}

TEST_F(HfJson, DecodingNeverCutsACharacter) {
  const auto tokenizer = hf_tokenizer(file().dump(), "t.json");
  const auto decoder = tokenizer->decoder();
  std::string text;
  for (const uint32_t id : tokenizer->encode("\u4E2D!")) {
    const std::string next = decoder->next(id);
    EXPECT_TRUE(next.empty() || next == "\u4E2D" || next == "!") << next;
    text += next;
  }
  EXPECT_EQ(text + decoder->finish(), "\u4E2D!");
}

TEST_F(HfJson, MergesMayBeStringsAndSectionsMayBeAbsent) {
  auto old = file();
  json merges = json::array();
  for (const auto& merge : old["model"]["merges"])
    merges.push_back(merge[0].get<std::string>() + " " + merge[1].get<std::string>());
  old["model"]["merges"] = merges;
  old["model"].erase("type");
  old.erase("post_processor"), old.erase("truncation"), old.erase("normalizer");
  const auto tokenizer = hf_tokenizer(old.dump(), "t.json");
  EXPECT_EQ(tokenizer->sha256(), hf_tokenizer(file().dump(), "other.json")->sha256());
  EXPECT_THAT(tokenizer->encode("hell"), ElementsAre(258));
}

TEST_F(HfJson, TheTemplateIsKnown) {
  auto with = file();
  with["post_processor"] = {
      {"type", "TemplateProcessing"},
      {"single",
       {{{"SpecialToken", {{"id", "<|endoftext|>"}, {"type_id", 0}}}}, {{"Sequence", {{"id", "A"}, {"type_id", 0}}}}}},
      {"pair", json::array()},
      {"special_tokens",
       {{"<|endoftext|>", {{"id", "<|endoftext|>"}, {"ids", {259}}, {"tokens", {"<|endoftext|>"}}}}}}};
  const auto tokenizer = hf_tokenizer(with.dump(), "t.json");
  EXPECT_THAT(tokenizer->template_before, ElementsAre(259));
  EXPECT_THAT(tokenizer->template_after, ElementsAre());
  EXPECT_EQ(tokenizer->bos_id, 259);
}

TEST_F(HfJson, MetaspaceAndByteFallbackAsLlama2) {
  json all{{"added_tokens", json::array()},
           {"decoder",
            {{"type", "Sequence"},
             {"decoders", {{{"type", "Replace"}, {"pattern", {{"String", "\u2581"}}}, {"content", " "}}}}}}};
  all["normalizer"] = {{"type", "Sequence"},
                       {"normalizers",
                        {{{"type", "Prepend"}, {"prepend", "\u2581"}},
                         {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", "\u2581"}}}}};
  all["model"] = {{"type", "BPE"},
                  {"unk_token", "<unk>"},
                  {"byte_fallback", true},
                  {"fuse_unk", true},
                  {"vocab", {{"<unk>", 0}, {"\u2581", 1}, {"a", 2}, {"\u2581a", 3}, {"<0xC3>", 4}, {"<0xA9>", 5}}},
                  {"merges", json::array({json::array({"\u2581", "a"})})}};
  const auto tokenizer = hf_tokenizer(all.dump(), "t.json");
  EXPECT_THAT(tokenizer->encode("a a\u00E9z"), ElementsAre(3, 3, 4, 5, 0));
}

TEST_F(HfJson, TokensThatAreLookedForInNormalizedTextKeepTheirNames) {
  auto all = file();
  all["normalizer"] = {{"type", "Lowercase"}};
  for (auto& token : all["added_tokens"]) token["normalized"] = true, token["content"] = "<|ENDOFTEXT|>";
  all["model"]["vocab"].erase("<|endoftext|>");
  const auto tokenizer = hf_tokenizer(all.dump(), "t.json");
  EXPECT_EQ(tokenizer->token(259), "<|ENDOFTEXT|>");
  EXPECT_THAT(encoded(*tokenizer, "HELL<|EndOfText|>", SpecialText::kParse), ElementsAre(258, 259));
}

TEST_F(HfJson, ASpaceIsTakenOffTheFrontOnlyWhereTheDecoderSaysSo) {
  const auto decoded = [](json decoder) {
    json all{{"added_tokens", json::array()}, {"decoder", std::move(decoder)}};
    all["model"] = {
        {"type", "BPE"}, {"vocab", {{"\u2581a", 0}, {"<0xZZ>", 1}, {"<0x41>", 2}}}, {"merges", json::array()}};
    return hf_tokenizer(all.dump(), "t.json")->decode({0, 1, 2, 0});
  };
  EXPECT_EQ(decoded({{"type", "Metaspace"}, {"prepend_scheme", "always"}}), "a<0xZZ>A a");
  EXPECT_EQ(decoded({{"type", "Metaspace"}, {"prepend_scheme", "never"}}), " a<0xZZ>A a");
  EXPECT_THAT(refusal([&] { decoded({{"type", "CTC"}}); }), HasSubstr("CTC"));
}

TEST_F(HfJson, DamageIsNamed) {
  const auto refused = [&](const json& all) { return refusal([&] { hf_tokenizer(all.dump(), "t.json"); }); };
  EXPECT_THAT(refusal([&] { hf_tokenizer("{", "t.json"); }), HasSubstr("t.json"));
  EXPECT_THAT(refused(json{{"model", 3}}), HasSubstr("t.json"));
  auto merge = file();
  merge["model"]["merges"].push_back({"he", "absent"});
  EXPECT_THAT(refused(merge), testing::AllOf(HasSubstr("t.json"), HasSubstr("merge 4"), HasSubstr("absent")));
  auto huge = file();
  huge["model"]["vocab"]["far"] = 4000000000u;
  EXPECT_THAT(refused(huge), HasSubstr("far"));
  auto twice = file();
  twice["model"]["vocab"]["other"] = 5;
  EXPECT_THAT(refused(twice), HasSubstr("the same id 5"));
  auto foreign = file();
  foreign["pre_tokenizer"] = {{"type", "Jieba"}};
  EXPECT_THAT(refused(foreign), HasSubstr("Jieba"));
  auto regex = file();
  regex["pre_tokenizer"] = {{"type", "Split"}, {"pattern", {{"Regex", "(unclosed"}}}, {"behavior", "Isolated"}};
  EXPECT_THAT(refused(regex), HasSubstr("unclosed"));
  const std::string deep = std::string(1'000'000, '[') + std::string(1'000'000, ']');
  for (const auto& text : {deep, "{\"normalizer\": " + deep + ", \"model\": {}}",
                           "{\"model\": {\"vocab\": {}, \"merges\": " + deep + "}}"})
    EXPECT_THAT(refusal([&] { hf_tokenizer(text, "deep.json"); }),
                testing::AllOf(HasSubstr("deep.json"), HasSubstr("levels")));
}

}  // namespace
}  // namespace bessemer::data
