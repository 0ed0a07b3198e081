#include "data/masking.h"

#include <gmock/gmock.h>

#include <cmath>
#include <fstream>
#include <map>

#include "data/tokenizer.h"
#include "parallel/random.h"
#include "tests/support/temporary_directory.h"

namespace bessemer::data {
namespace {

using testing::HasSubstr;

// Ids 0 to 4 are special, 4 is the mask; of the others every third continues a word.
Masking masking(MaskUnit unit, double probability = 0.15) {
  Masking m;
  m.unit = unit, m.probability = probability;
  m.vocabulary.size = 1000, m.vocabulary.mask_id = 4;
  m.vocabulary.special.resize(1000), m.vocabulary.continues.resize(1000);
  for (std::size_t id = 0; id < 1000; ++id) m.vocabulary.special[id] = id < 5, m.vocabulary.continues[id] = id % 3 == 0;
  return m;
}

/// [CLS] tokens [SEP] padding, as a function of the row.
std::vector<int64_t> row_of(uint64_t number, std::size_t n, std::size_t padding) {
  std::vector<float> uniform(n);
  parallel::fill_uniform(parallel::stream_key(5, "row", number), 0, uniform);
  std::vector<int64_t> row{2};
  for (const float u : uniform) row.push_back(5 + static_cast<int64_t>(u * 995.0f));
  row.push_back(3);
  row.resize(n + 2 + padding, 0);
  return row;
}

struct Counts {
  int64_t tokens = 0, predicted = 0, masked = 0, kept = 0, random = 0;
};

Counts count(const Masking& m, int rows, std::size_t n) {
  Counts c;
  for (int r = 0; r < rows; ++r) {
    const auto before = row_of(static_cast<uint64_t>(r), n, 7);
    auto after = before;
    std::vector<uint8_t> predicted(before.size(), 1);
    mask_row(m, parallel::stream_key(9, "mask", static_cast<uint64_t>(r)), after, predicted);
    c.tokens += static_cast<int64_t>(n);
    for (std::size_t i = 0; i < before.size(); ++i) {
      if (predicted[i] == 0) {
        EXPECT_EQ(after[i], before[i]) << "a token that is not predicted was changed";
        continue;
      }
      EXPECT_GE(before[i], 5) << "a special token was masked";
      ++c.predicted;
      ++(after[i] == m.vocabulary.mask_id ? c.masked : after[i] == before[i] ? c.kept : c.random);
    }
  }
  return c;
}

/// |observed - expected| within four standard deviations of a binomial count.
void expect_rate(int64_t observed, int64_t of, double rate) {
  const double sigma = std::sqrt(static_cast<double>(of) * rate * (1 - rate));
  EXPECT_NEAR(static_cast<double>(observed), static_cast<double>(of) * rate, 4 * sigma);
}

TEST(Masking, TokensAreReplacedAtTheStatedRates) {
  for (const auto unit : {MaskUnit::kToken, MaskUnit::kWord}) {
    const Counts c = count(masking(unit), 2000, 126);
    // Of 126 tokens round(18.9) = 19 are predicted; a word of several pieces may not fit at the end.
    if (unit == MaskUnit::kToken) {
      EXPECT_EQ(c.predicted, 2000 * 19);
    }
    EXPECT_GT(c.predicted, 2000 * 18);
    // A random id is the mask's or the token's own once in a thousand times each.
    expect_rate(c.masked, c.predicted, 0.8 + 0.1 / 1000);
    expect_rate(c.kept, c.predicted, 0.1 + 0.1 / 1000);
    expect_rate(c.random, c.predicted, 0.1 * 998 / 1000);
  }
}

TEST(Masking, EveryPlaceIsPredictedAsOften) {
  const auto m = masking(MaskUnit::kToken);
  std::vector<int64_t> hits(52);
  constexpr int kRows = 5000;
  for (uint64_t r = 0; r < kRows; ++r) {
    auto row = row_of(1, 50, 0);
    std::vector<uint8_t> predicted(row.size(), 1);
    mask_row(m, parallel::stream_key(3, "mask", r), row, predicted);
    for (std::size_t i = 0; i < row.size(); ++i) hits[i] += predicted[i];
  }
  EXPECT_EQ(hits.front() + hits.back(), 0);
  for (std::size_t i = 1; i + 1 < hits.size(); ++i) expect_rate(hits[i], kRows, 8.0 / 50);  // round(7.5) = 8
}

TEST(Masking, WordsAreNeverSplit) {
  for (const auto unit : {MaskUnit::kWord, MaskUnit::kSpan}) {
    const auto m = masking(unit);
    for (uint64_t r = 0; r < 500; ++r) {
      const auto before = row_of(r, 100, 3);
      auto row = before;
      std::vector<uint8_t> predicted(row.size(), 1);
      mask_row(m, r, row, predicted);
      for (std::size_t i = 2; i + 4 < row.size(); ++i) {
        const bool same_word = m.vocabulary.continues[static_cast<std::size_t>(before[i])] != 0;
        if (same_word) {
          EXPECT_EQ(predicted[i], predicted[i - 1]) << "row " << r << ", token " << i;
        }
      }
    }
  }
}

TEST(Masking, LengthsOfSpansAreGeometricUpToTen) {
  std::map<int64_t, int64_t> seen;
  constexpr int kDraws = 100000;
  std::vector<float> uniform(kDraws);
  parallel::fill_uniform(11, 0, uniform);
  double sum = 0;
  for (const float u : uniform) ++seen[span_length(u)], sum += static_cast<double>(span_length(u));
  for (int64_t l = 1; l <= 10; ++l)
    expect_rate(seen[l], kDraws, 0.2 * std::pow(0.8, static_cast<double>(l - 1)) / (1 - std::pow(0.8, 10.0)));
  EXPECT_NEAR(sum / kDraws, 3.797, 0.04);  // SpanBERT says 3.8
  EXPECT_EQ(seen.size(), 10u);
}

TEST(Masking, SpansShareTheirFateAndKeepTheBudget) {
  const auto m = masking(MaskUnit::kSpan);
  int64_t runs = 0, mixed = 0, predicted_in_all = 0;
  for (uint64_t r = 0; r < 300; ++r) {
    const auto before = row_of(r, 200, 0);
    auto row = before;
    std::vector<uint8_t> predicted(row.size(), 1);
    mask_row(m, r, row, predicted);
    for (std::size_t i = 1; i < row.size(); ++i) {
      predicted_in_all += predicted[i];
      if (predicted[i] == 0 || predicted[i - 1] == 0) continue;
      ++runs;
      mixed += (row[i] == 4) != (row[i - 1] == 4);
    }
  }
  EXPECT_LE(predicted_in_all, 300 * 30);
  EXPECT_GE(predicted_in_all, 300 * 29);
  EXPECT_GT(runs, 300 * 15);
  EXPECT_LT(mixed, runs / 15);  // only where two spans meet
}

TEST(Masking, IsAFunctionOfTheKey) {
  const auto m = masking(MaskUnit::kToken);
  const auto masked = [&](uint64_t key) {
    auto row = row_of(1, 60, 4);
    std::vector<uint8_t> predicted(row.size(), 1);
    mask_row(m, key, row, predicted);
    return row;
  };
  EXPECT_EQ(masked(1), masked(1));
  EXPECT_NE(masked(1), masked(2));
}

TEST(Masking, RowsOfNothingOrOfOneToken) {
  const auto m = masking(MaskUnit::kWord);
  std::vector<int64_t> none{2, 3, 0, 0}, one{2, 77, 3};
  std::vector<uint8_t> predicted(4, 1);
  mask_row(m, 1, none, predicted);
  EXPECT_THAT(predicted, testing::Each(0));
  predicted = {1, 1, 1};
  mask_row(m, 1, one, predicted);
  EXPECT_THAT(predicted, testing::ElementsAre(0, 1, 0));
  predicted = {1, 0, 1};  // a loss mask forbids it
  mask_row(m, 1, one, predicted);
  EXPECT_THAT(predicted, testing::Each(0));
  std::vector<int64_t> foreign{2, 1000};
  EXPECT_THROW(mask_row(m, 1, foreign, std::span(predicted).first(2)), std::exception);
}

TEST(Masking, ARowIsMaskedByItsGlobalNumberWhereverItLies) {
  const auto m = masking(MaskUnit::kToken);
  const auto rows_from = [&](int64_t first, int64_t n) {
    Rows rows;
    rows.sequence = 62;
    for (int64_t r = first; r < first + n; ++r) {
      rows.rows.push_back(r);
      const auto row = row_of(static_cast<uint64_t>(r), 60, 1);
      rows.tokens.insert(rows.tokens.end(), row.begin(), row.end());
    }
    mask_rows(m, 4, rows);
    return rows;
  };
  const auto all = rows_from(0, 6), tail = rows_from(4, 2);
  EXPECT_TRUE(std::equal(tail.tokens.begin(), tail.tokens.end(), all.tokens.begin() + 4 * 63));
  EXPECT_TRUE(std::equal(tail.counted.begin(), tail.counted.end(), all.counted.begin() + 4 * 62));
}

TEST(MaskingVocabulary, KnowsSpecialTokensAndPiecesThatContinue) {
  const tests::TemporaryDirectory directory;
  std::ofstream(directory.path() + "/vocab.txt") << "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nmask\n##ing\nword\n";
  const auto v = masking_vocabulary(*open_tokenizer_spec("wordpiece:" + directory.path() + "/vocab.txt"));
  EXPECT_EQ(v.size, 8);
  EXPECT_EQ(v.mask_id, 4);
  EXPECT_THAT(v.special, testing::ElementsAre(1, 0, 1, 1, 1, 0, 0, 0));
  EXPECT_EQ(v.continues[5], 0);
  EXPECT_EQ(v.continues[6], 1);
  try {
    masking_vocabulary(*make_bytes_tokenizer());
    FAIL();
  } catch (const std::exception& error) {
    EXPECT_THAT(error.what(), HasSubstr("neither [MASK] nor <mask>"));
  }
}

}  // namespace
}  // namespace bessemer::data
