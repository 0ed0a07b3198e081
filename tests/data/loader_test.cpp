#include "data/loader.h"

#include <gtest/gtest.h>

#include <atomic>

#include "data/corpus.h"
#include "parallel/error.h"

namespace bessemer::data {
namespace {

constexpr int64_t kSequence = 5;

/// Token i of the corpus is i, so a row tells which window it is. A window can be made unreadable.
class Counting final : public Corpus {
 public:
  explicit Counting(int64_t windows, int64_t broken = -1) : windows_(windows), broken_(broken) {}
  int64_t tokens() const override { return windows_ * kSequence + 1; }
  int64_t sequence() const override { return kSequence; }
  int64_t windows() const override { return windows_; }
  int64_t vocab_size() const override { return tokens(); }
  std::string tokenizer_sha256() const override { return ""; }
  std::string content_id() const override { return ""; }
  void read_window(int64_t window, std::span<int64_t> out) const override {
    ++reads;
    BESSEMER_CHECK_DATA(window != broken_, "window ", window, " is damaged");
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = window * kSequence + static_cast<int64_t>(i);
  }
  mutable std::atomic<int> reads = 0;

 private:
  int64_t windows_, broken_;
};

void expect_rows(const Rows& got, const Sampler& sampler, const std::vector<int64_t>& rows) {
  ASSERT_EQ(got.rows, rows);
  ASSERT_EQ(got.sequence, kSequence);
  ASSERT_EQ(got.tokens.size(), rows.size() * (kSequence + 1));
  for (std::size_t i = 0; i < got.tokens.size(); ++i) {
    const std::size_t row = i / (kSequence + 1), column = i % (kSequence + 1);
    ASSERT_EQ(got.tokens[i], sampler.window(rows[row]) * kSequence + static_cast<int64_t>(column));
  }
}

class LoaderLayouts : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Dp, LoaderLayouts, testing::Values(1, 2, 4));

TEST_P(LoaderLayouts, GivesTheSamplersOrderAlsoAfterASeek) {
  const int dp = GetParam();
  const auto corpus = std::make_shared<Counting>(29);  // no multiple of the batch: epochs end within steps
  const Sampler sampler(3, 29, 24);
  for (int rank = 0; rank < dp; ++rank) {
    const Loader::Place place{rank, dp, 3, 24 / dp / 3};
    Loader loader(corpus, sampler, place, 2);
    const auto expect_steps = [&](int64_t first, int64_t last) {
      for (int64_t step = first; step < last; ++step) {
        for (int64_t m = 0; m < place.micro_steps; ++m)
          expect_rows(loader.next(), sampler, sampler.rows(step, m, rank, dp, 3));
      }
    };
    expect_steps(2, 5);
    loader.seek(0);
    expect_steps(0, 3);
    loader.next();  // leaves the loader within a step
    loader.seek(7), loader.seek(11);
    expect_steps(11, 13);
  }
}

TEST(Loader, ReadsNoMoreThanOneMicroBatchAhead) {
  const auto corpus = std::make_shared<Counting>(100);
  Loader loader(corpus, Sampler(3, 100, 2), {0, 1, 2, 1}, 0);
  for (int i = 1; i <= 10; ++i) {
    loader.next();
    EXPECT_LE(corpus->reads.load(), 2 * (i + 1));
  }
}

TEST(Loader, ThrowsTheReadersErrorInNextAndGoesOnAfterASeek) {
  const Sampler sampler(3, 50, 1);
  const auto corpus = std::make_shared<Counting>(50, sampler.window(4));
  Loader loader(corpus, sampler, {0, 1, 1, 1}, 0);
  for (int64_t step = 0; step < 4; ++step) expect_rows(loader.next(), sampler, {step});
  EXPECT_THROW(loader.next(), Error);
  EXPECT_THROW(loader.next(), Error);
  loader.seek(5);
  expect_rows(loader.next(), sampler, {5});
}

TEST(Loader, EndsWhetherOrNotItsRowsAreTaken) {
  for (int i = 0; i < 200; ++i) {
    Loader loader(std::make_shared<Counting>(50), Sampler(3, 50, 4), {0, 2, 1, 2}, i);
    for (int taken = 0; taken < i % 3; ++taken) loader.next();
  }
}

TEST(Loader, RefusesAPlaceThatDoesNotMakeUpTheGlobalBatch) {
  const auto corpus = std::make_shared<Counting>(50);
  EXPECT_THROW(Loader(corpus, Sampler(3, 50, 4), {0, 1, 3, 1}, 0), Error);
}

}  // namespace
}  // namespace bessemer::data
