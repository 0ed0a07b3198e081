#include "data/tokenizers/sentencepiece.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <random>

#include "data/base64.h"
#include "tests/data/folder.h"
#include "tests/support/sentencepiece_writer.h"

namespace bessemer::data {
namespace {

using testing::HasSubstr;
using tests::SmallModel;

class SentencePieceTest : public FolderTest {
 protected:
  static std::unique_ptr<Tokenizer> made(const SmallModel& model) {
    return sentencepiece_from_bytes(model.bytes(), "a.model");
  }
  static std::string refused(const SmallModel& model) {
    return refusal([&] { made(model); });
  }
  /// Ids 0 <unk>, 1 <s>, 2 </s>, then letters, ▁ and ▁a.
  static SmallModel letters(bool bpe = false) {
    SmallModel model;
    model.add("a", -2).add("b", -3).add("▁", -4).add("▁a", -5);
    if (bpe) model.trainer.integer(3, 2);
    return model;
  }
};

TEST_F(SentencePieceTest, ReadsAFile) {
  const auto tokenizer = open_sentencepiece(write("a.model", letters().bytes()));
  EXPECT_EQ(tokenizer->kind(), "unigram");
  EXPECT_EQ(made(letters(true))->kind(), "bpe");
  EXPECT_EQ(tokenizer->vocab_size(), 7);
  EXPECT_EQ(tokenizer->bos_id, 1);
  EXPECT_EQ(tokenizer->eod_id, 2);
  EXPECT_EQ(tokenizer->pad_id, -1);
  EXPECT_EQ(tokenizer->token(6), "▁a");
  EXPECT_THROW(tokenizer->token(7), Error);
  const auto kept = nlohmann::json::parse(tokenizer->json());
  EXPECT_EQ(kept["kind"], "sentencepiece");
  EXPECT_EQ(base64_decode(kept["model"].get<std::string>()), letters().bytes());
}

TEST_F(SentencePieceTest, CollapsesSpacesAndPutsOneBefore) {
  for (const bool bpe : {false, true}) {
    const auto tokenizer = made(letters(bpe));
    EXPECT_EQ(tokenizer->encode("a  b "), (TokenIds{6, 5, 4}));
    EXPECT_EQ(tokenizer->encode("   "), TokenIds{});
    EXPECT_EQ(tokenizer->encode(""), TokenIds{});
    EXPECT_EQ(tokenizer->decode({6, 5, 4}), "a b");
  }
}

TEST_F(SentencePieceTest, KeepsSpacesWhereToldTo) {
  auto model = letters(true);
  model.normalizer.integer(3, 0).integer(4, 0);
  const auto tokenizer = made(model);
  EXPECT_EQ(tokenizer->encode(" a  b "), (TokenIds{6, 5, 5, 4, 5}));
  EXPECT_EQ(tokenizer->decode({6, 5, 5, 4, 5}), " a  b ");
  EXPECT_EQ(tokenizer->safe_cut("ab ab ab ab"), 8u);
}

TEST_F(SentencePieceTest, PutsTheSpaceBehindWhereToldTo) {
  auto model = letters();
  model.add("b▁", -1).trainer.integer(24, 1);
  EXPECT_EQ(made(model)->encode("ab"), (TokenIds{3, 7}));
}

TEST_F(SentencePieceTest, AppliesTheCharsmapButNotToWhatTheUserDefined) {
  auto model = letters();
  model.add("cé", 0, 4).normalizer.bytes(2, tests::charsmap_blob({{"c", "a"}, {"é", "b"}, {"\t", " "}, {"x", ""}}));
  const auto tokenizer = made(model);
  EXPECT_EQ(tokenizer->encode("\tc\t \técéx"), (TokenIds{6, 5, 4, 7}));
}

TEST_F(SentencePieceTest, DecodesBytesWithoutSplittingACharacter) {
  auto model = letters();
  model.add_bytes();
  const auto tokenizer = made(model);
  const auto ids = tokenizer->encode("aéb");
  EXPECT_EQ(ids, (TokenIds{6, 7 + 0xC3, 7 + 0xA9, 4}));
  EXPECT_EQ(tokenizer->decode(ids), "aéb");
  const auto decoder = tokenizer->decoder();
  EXPECT_EQ(decoder->next(7 + 0xE4), "");
  EXPECT_EQ(decoder->next(7 + 0xB8), "");
  EXPECT_EQ(decoder->next(7 + 0x96), "世");
  EXPECT_EQ(decoder->next(7 + 0xE4), "");
  EXPECT_EQ(decoder->next(7 + 0x41), "\uFFFDA");
  EXPECT_EQ(decoder->next(7 + 0xE4), "");
  EXPECT_EQ(decoder->next(7 + 0xB8), "");
  EXPECT_EQ(decoder->next(3), "\uFFFD\uFFFDa");
  EXPECT_EQ(decoder->next(7 + 0xE4), "");
  EXPECT_EQ(decoder->finish(), "\uFFFD");
  EXPECT_EQ(decoder->next(6), "a");  // new again: at the start, the space is the prefix
  EXPECT_EQ(tokenizer->token(7 + 0xE4), "\xE4");
}

TEST_F(SentencePieceTest, DecodesWhatIsNoText) {
  const auto tokenizer = made(letters());
  EXPECT_EQ(tokenizer->decode({1, 6, 0, 2}), "a \u2047 ");
  EXPECT_EQ(tokenizer->decode({5, 5, 3, 5}), "a ");  // all spaces at the start are extra ones
  auto kept = letters();
  kept.normalizer.integer(4, 0);
  EXPECT_EQ(made(kept)->decode({5, 5, 3}), " a");
  EXPECT_THROW(tokenizer->decode({7}), Error);
}

TEST_F(SentencePieceTest, DenormalizesAtTheEnd) {
  auto model = letters();
  tests::ProtobufWriter denormalizer;
  denormalizer.bytes(2, tests::charsmap_blob({{"ab", "Ä"}})).integer(3, 0).integer(4, 0).integer(5, 0);
  model.rest.bytes(5, denormalizer.text());
  const auto decoder = made(model)->decoder();
  EXPECT_EQ(made(model)->decode({6, 4, 3}), "Äa");
}

TEST_F(SentencePieceTest, ControlTextsAreIdsOnlyWhereAskedFor) {
  const auto tokenizer = made(letters());
  TokenIds plain, parsed;
  tokenizer->encoder()->encode("a</s>b", plain);
  tokenizer->encoder(SpecialText::kParse)->encode("<s>a</s></s>b", parsed);
  EXPECT_EQ(plain, (TokenIds{6, 0, 4}));
  EXPECT_EQ(parsed, (TokenIds{1, 6, 2, 2, 5, 4}));
}

TEST_F(SentencePieceTest, CountsWhatIsNoUtf8) {
  const auto tokenizer = made(letters());
  const auto encoder = tokenizer->encoder();
  TokenIds ids;
  encoder->encode(
      "a\xFF\xE4\xB8"
      "b",
      ids);
  EXPECT_EQ(ids, (TokenIds{6, 0, 4}));
  EXPECT_EQ(encoder->replaced(), 2u);
}

TEST_F(SentencePieceTest, CutsOnlyWhereTheIdsStay) {
  EXPECT_EQ(made(letters())->safe_cut("ab ab ab"), 0u);  // sums of scores are rounded
  const auto bpe = made(letters(true));
  const std::string text = "ab  a b ab\tab ba a";
  for (std::size_t n = 0; n <= text.size(); ++n) {
    const std::string front = text.substr(0, n);
    const std::size_t cut = bpe->safe_cut(front);
    auto ids = bpe->encode(text.substr(0, cut));
    const auto rest = bpe->encode(text.substr(cut));
    ids.insert(ids.end(), rest.begin(), rest.end());
    EXPECT_EQ(ids, bpe->encode(text)) << n << " " << cut;
  }
  EXPECT_EQ(bpe->safe_cut("ab ab ab"), 5u);
}

TEST_F(SentencePieceTest, SaysWhatIsWrongWithAFile) {
  auto model = letters();
  EXPECT_THAT(refusal([&] { sentencepiece_from_bytes(letters().bytes().substr(0, 31), "a.model"); }),
              AllOf(HasSubstr("a.model"), HasSubstr("truncated")));
  EXPECT_THAT(refusal([&] { sentencepiece_from_bytes("", "a.model"); }), HasSubstr("no pieces"));
  EXPECT_THAT(refusal([&] { sentencepiece_from_bytes("{\"json\": 1}", "a.model"); }), HasSubstr("a.model"));
  EXPECT_THAT(refusal([&] { open_sentencepiece(at("absent")); }), HasSubstr("absent"));
  EXPECT_THAT(refused(letters().add("a", 0)), HasSubstr("'a'"));
  EXPECT_THAT(refused(letters().add("", 0)), HasSubstr("piece 7 has 0 bytes"));
  EXPECT_THAT(refused(letters().add("x", 0, 2)), HasSubstr("second one for the unknown"));
  EXPECT_THAT(refused(letters().add("x", 0, 7)), HasSubstr("type 7"));
  EXPECT_THAT(refused(letters().add("<0x41>", 0, 6)), HasSubstr("byte_fallback"));
  EXPECT_THAT(refused(letters().add("\xFF", 0)), HasSubstr("UTF-8"));
  model.pieces.erase(model.pieces.begin());
  EXPECT_THAT(refused(model), HasSubstr("for the unknown"));
  model = letters();
  model.trainer.integer(35, 1);
  EXPECT_THAT(refused(model), HasSubstr("byte 0"));
  model = letters();
  model.trainer.integer(41, 7);
  EXPECT_THAT(refused(model), HasSubstr("bos_id 7"));
  model = letters();
  model.trainer.integer(3, 3);
  EXPECT_THAT(refused(model), HasSubstr("type word"));
  model = letters();
  model.normalizer.bytes(2, "xx");
  EXPECT_THAT(refused(model), HasSubstr("charsmap"));
}

TEST_F(SentencePieceTest, RandomDamageIsRefusedOrHarmless) {
  std::mt19937 random(1);
  for (const bool bpe : {false, true}) {
    auto model = letters(bpe);
    model.add_bytes().add("bb", -1, 4).add("ab", -1, 5).normalizer.bytes(2, tests::charsmap_blob({{"c", "a"}}));
    const std::string good = model.bytes();
    for (std::size_t n = 0; n < good.size(); n += 97)
      EXPECT_THROW(sentencepiece_from_bytes(good.substr(0, n), "a.model"), Error) << n;
    for (int i = 0; i < 1000; ++i) {
      std::string bytes = good;
      for (int n = 0; n < 3; ++n) bytes[random() % (i % 2 == 0 ? 120 : bytes.size())] = static_cast<char>(random());
      try {
        const auto tokenizer = sentencepiece_from_bytes(bytes, "a.model");
        tokenizer->decode(tokenizer->encode("abba c é  bb abab"));
      } catch (const Error&) {
      }
    }
  }
}

}  // namespace
}  // namespace bessemer::data
