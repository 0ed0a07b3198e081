#include "data/tokenizers/normalizer.h"

#include <gmock/gmock.h>

#include "parallel/error.h"

namespace bessemer::data {
namespace {

std::string applied(const std::unique_ptr<Normalizer>& normalizer, std::string text) {
  normalizer->apply(text);
  return text;
}

std::string bert(const BertOptions& options, const std::string& text) {
  return applied(make_bert_normalizer(options), text);
}

std::string repeated(const std::string& text, std::size_t times) {
  std::string out;
  for (std::size_t i = 0; i < times; ++i) out += text;
  return out;
}

TEST(Normalizer, BringsTextIntoItsForms) {
  const auto nfc = make_normal_form(NormalForm::kNfc), nfd = make_normal_form(NormalForm::kNfd);
  const auto nfkc = make_normal_form(NormalForm::kNfkc), nfkd = make_normal_form(NormalForm::kNfkd);
  EXPECT_EQ(applied(nfd, "élève"), "e\u0301le\u0300ve");
  EXPECT_EQ(applied(nfc, "e\u0301le\u0300ve"), "élève");
  EXPECT_EQ(applied(nfc, "=\u0338x"), "≠x");
  EXPECT_EQ(applied(nfc, "q\u0307\u0323"), "q\u0323\u0307");  // ordered by class
  EXPECT_EQ(applied(nfd, "각"), "\u1100\u1161\u11A8");
  EXPECT_EQ(applied(nfc, "\u1100\u1161\u11A8가"), "각가");
  EXPECT_EQ(applied(nfc, "\u0958"), "\u0915\u093C");  // excluded from composition
  EXPECT_EQ(applied(nfkc, "ﬁ①Å"), "fi1Å");
  EXPECT_EQ(applied(nfkd, "x²…"), "x2...");
  for (const auto* form : {&nfc, &nfd, &nfkc, &nfkd}) {
    EXPECT_EQ(applied(*form, ""), "");
    EXPECT_EQ(applied(*form, "plain"), "plain");
    EXPECT_EQ(applied(*form, "日本"), "日本");
  }
}

TEST(Normalizer, SortsVeryManyMarksFast) {
  const std::size_t n = 200'000;
  const std::string text = applied(make_normal_form(NormalForm::kNfd), "a" + repeated("\u0301\u0323", n));
  EXPECT_EQ(text, "a" + repeated("\u0323", n) + repeated("\u0301", n));
}

TEST(Normalizer, LowersStripsAndPrepends) {
  EXPECT_EQ(applied(make_lowercase(), "ABC[É İ ΑΣ"), "abc[é i\u0307 ασ");
  EXPECT_EQ(applied(make_strip_accents(), "e\u0301a\u0308 é"), "ea é");
  EXPECT_EQ(applied(make_strip(true, true), " \u3000é \t"), "é");
  EXPECT_EQ(applied(make_strip(true, false), " é "), "é ");
  EXPECT_EQ(applied(make_strip(false, true), " é "), " é");
  EXPECT_EQ(applied(make_strip(true, true), " \u2003 "), "");
  EXPECT_EQ(applied(make_prepend("▁"), "a"), "▁a");
  EXPECT_EQ(applied(make_prepend("▁"), ""), "");
  EXPECT_EQ(applied(make_nmt(), "a\u0001b\tc\u200Bd\u2581e\u007Ff\uFEFF\uFFFD"), "ab c d ef  ");
}

TEST(Normalizer, ReplacesTextsAndExpressions) {
  EXPECT_EQ(applied(make_replace(" ", "▁"), " a  b"), "▁a▁▁b");
  EXPECT_EQ(applied(make_replace("aa", "b"), "aaaaa"), "bba");
  EXPECT_EQ(applied(make_replace(".", "$1"), "a.b"), "a$1b");
  EXPECT_EQ(applied(make_replace("", "x"), "aé"), "xaxéx");
  EXPECT_EQ(applied(make_replace("", "x"), ""), "");
  EXPECT_EQ(applied(make_regex_replace(" {2,}", "▁"), "a  b c    d"), "a▁b c▁d");
  EXPECT_EQ(applied(make_regex_replace("\\s+", " "), "a\u3000\n b\u180E"), "a b\u180E");
  EXPECT_EQ(applied(make_regex_replace("b*", "x"), "abbé"), "xaxéx");
  EXPECT_EQ(applied(make_regex_replace("^", ">"), "a\nb\n"), ">a\n>b\n");
}

TEST(Normalizer, CleansAsBertDoes) {
  const BertOptions clean{true, false, false, false};
  EXPECT_EQ(bert(clean, "a" + std::string(1, '\0') + "b\u0007c\td\u00A0e\u200Df\uE000g\uFFFDh\u2028i\u0085j"),
            "abc d efgh ij");
  const BertOptions han{false, true, false, false};
  EXPECT_EQ(bert(han, "a北京b"), "a 北  京 b");
  const BertOptions accents{false, false, true, false};
  EXPECT_EQ(bert(accents, "ÉÅñ\u1DF6각"), "EAn\u1DF6\u1100\u1161\u11A8");
  const BertOptions lower{false, false, false, true};
  EXPECT_EQ(bert(lower, "AÉİ\t"), "aéi\u0307\t");
  const BertOptions none{false, false, false, false};
  EXPECT_EQ(bert(none, std::string("\0É\t", 4)), std::string("\0É\t", 4));
}

TEST(Normalizer, BertRemovesControlsBeforeItOrdersMarks) {
  // U+302E (class 224) and U+1D165 (216) stay; nothing that was removed stands between them.
  EXPECT_EQ(bert({}, "A\u302E\u0001\u200D\U0001D165B"), "a\U0001D165\u302Eb");
  EXPECT_EQ(bert({}, "A\u302E \U0001D165B"), "a\u302E \U0001D165b");
  EXPECT_EQ(bert({}, "Café — NAÏVE"), "cafe — naive");
  EXPECT_EQ(bert({}, ""), "");
  EXPECT_EQ(bert({}, "\u0301\u00AD"), "");
}

TEST(Normalizer, SequenceAppliesOneAfterAnother) {
  std::vector<std::unique_ptr<Normalizer>> all;
  all.push_back(make_normal_form(NormalForm::kNfd));
  all.push_back(make_strip_accents());
  all.push_back(make_lowercase());
  EXPECT_EQ(applied(make_sequence_normalizer(std::move(all)), "ÀÉ"), "ae");
}

}  // namespace
}  // namespace bessemer::data
