#include "data/loader.h"

#include <gtest/gtest.h>

#include <atomic>

#include "data/corpus.h"
#include "parallel/error.h"

namespace bessemer::data {
namespace {

constexpr int64_t kSequence = 5;

/// Token i of the corpus is offset + i, so a row tells which window it is. A window can be made unreadable.
class Counting final : public Corpus {
 public:
  explicit Counting(int64_t windows, int64_t broken = -1, int64_t offset = 0)
      : windows_(windows), broken_(broken), offset_(offset) {}
  int64_t tokens() const override { return windows_ * kSequence + 1; }
  int64_t sequence() const override { return kSequence; }
  int64_t rows() const override { return windows_; }
  int64_t vocab_size() const override { return tokens(); }
  std::string tokenizer_sha256() const override { return ""; }
  std::string content_id() const override { return ""; }
  bool has_documents() const override { return false; }
  void read_row(int64_t window, const RowRoom& room) const override {
    const auto out = room.tokens;
    ++reads;
    BESSEMER_CHECK_DATA(window != broken_, "window ", window, " is damaged");
    std::fill(room.counted.begin(), room.counted.end(), uint8_t{1});
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = offset_ + window * kSequence + static_cast<int64_t>(i);
  }
  mutable std::atomic<int> reads = 0;

 private:
  int64_t windows_, broken_, offset_;
};

/// The rows of one stream, as any number of ranks should get them.
struct Expected {
  std::vector<int64_t> numbers, windows;
  std::vector<std::size_t> sources;
};

Expected expected(const Sampler& start, int64_t rows) {
  Sampler sampler = start;
  Expected out;
  for (int64_t i = 0; i < rows; ++i) {
    out.numbers.push_back(sampler.row());
    const auto row = sampler.take(1).front();
    out.windows.push_back(sampler.window(row));
    out.sources.push_back(row.source);
  }
  return out;
}

void expect_rows(const Rows& got, const Expected& all, int64_t first, int64_t count) {
  ASSERT_EQ(got.sequence, kSequence);
  ASSERT_EQ(got.rows.size(), static_cast<std::size_t>(count));
  ASSERT_EQ(got.tokens.size(), got.rows.size() * (kSequence + 1));
  for (std::size_t i = 0; i < got.tokens.size(); ++i) {
    const std::size_t row = static_cast<std::size_t>(first) + i / (kSequence + 1), column = i % (kSequence + 1);
    ASSERT_EQ(got.rows[i / (kSequence + 1)], all.numbers[row]);
    ASSERT_EQ(got.tokens[i], all.windows[row] * kSequence + static_cast<int64_t>(column) +
                                 1000 * static_cast<int64_t>(all.sources[row]));
  }
}

class LoaderLayouts : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Dp, LoaderLayouts, testing::Values(1, 2, 4));

// No multiple of the batch: epochs end within steps. A blend, and a batch that grows after two steps and after four.
TEST_P(LoaderLayouts, GiveTheSameGlobalStream) {
  const int dp = GetParam();
  const std::vector<std::shared_ptr<const Corpus>> corpora{std::make_shared<Counting>(29),
                                                           std::make_shared<Counting>(17, -1, 1000)};
  const Ramp batch({{8, 2}, {12, 2}}, 24);
  Sampler start(3, {{29, 2}, {17, 1}});
  const auto all = expected(start, batch.before(9));
  for (const int64_t first_step : {0, 1, 3, 5}) {
    Sampler here = start;
    here.skip(batch.before(first_step));
    for (int rank = 0; rank < dp; ++rank) {
      Loader loader(corpora, here, {rank, dp, 3, batch, 2}, first_step);
      for (int64_t step = first_step; step < 9; ++step) {
        const int64_t share = batch.at(step) / dp;
        for (int64_t done = 0; done < share; done += 3) {
          expect_rows(loader.next(), all, batch.before(step) + rank * share + done, std::min<int64_t>(3, share - done));
        }
      }
    }
  }
}

/// Of its targets those of even tokens are to be predicted.
class Masked final : public Corpus {
 public:
  int64_t tokens() const override { return 20 * kSequence + 1; }
  int64_t sequence() const override { return kSequence; }
  int64_t rows() const override { return 20; }
  int64_t vocab_size() const override { return tokens(); }
  std::string tokenizer_sha256() const override { return ""; }
  std::string content_id() const override { return ""; }
  bool has_documents() const override { return false; }
  bool has_loss_mask() const override { return true; }
  void read_row(int64_t window, const RowRoom& out) const override {
    for (std::size_t i = 0; i < out.tokens.size(); ++i) out.tokens[i] = window * kSequence + static_cast<int64_t>(i);
    for (std::size_t i = 0; i < out.counted.size(); ++i) out.counted[i] = out.tokens[i + 1] % 2 == 0;
  }
};

TEST(Loader, GivesEveryRowAMaskWhereOneSourceHasOne) {
  Loader loader({std::make_shared<Counting>(20, -1, 1000), std::make_shared<Masked>()}, Sampler(3, {{20, 1}, {20, 1}}),
                {0, 1, 8, {{}, 8}, 1}, 0);
  const Rows rows = loader.next();
  ASSERT_TRUE(rows.starts.empty());
  ASSERT_EQ(rows.counted.size(), 8u * kSequence);
  for (std::size_t i = 0; i < rows.counted.size(); ++i) {
    const int64_t target = rows.tokens[i / kSequence * (kSequence + 1) + i % kSequence + 1];
    EXPECT_EQ(rows.counted[i], target >= 1000 || target % 2 == 0);
  }
}

TEST(Loader, ReadsNoMoreThanItMayAhead) {
  for (const int64_t ahead : {1, 5}) {
    const auto corpus = std::make_shared<Counting>(100);
    Loader loader({corpus}, Sampler(3, {{100}}), {0, 1, 2, {{}, 2}, ahead}, 0);
    for (int i = 1; i <= 10; ++i) {
      loader.next();
      EXPECT_LE(corpus->reads.load(), 2 * (i + ahead + 1));
    }
  }
}

TEST(Loader, GivesWhatItReadBeforeAnErrorAndThenTheError) {
  const Sampler sampler(3, {{50}});
  const auto corpus = std::make_shared<Counting>(50, sampler.window({0, 4}));
  Loader loader({corpus}, sampler, {0, 1, 1, {{}, 1}, 3}, 0);
  const auto all = expected(sampler, 4);
  for (int64_t step = 0; step < 4; ++step) expect_rows(loader.next(), all, step, 1);
  EXPECT_THROW(loader.next(), Error);
  EXPECT_THROW(loader.next(), Error);
}

TEST(Loader, EndsWhetherOrNotItsRowsAreTaken) {
  for (int i = 0; i < 200; ++i) {
    Loader loader({std::make_shared<Counting>(50)}, Sampler(3, {{50}}), {0, 2, 1, {{}, 4}, 1}, i);
    for (int taken = 0; taken < i % 3; ++taken) loader.next();
  }
}

TEST(Loader, ReadsNoMoreThanThereAreToRead) {
  const auto corpus = std::make_shared<Counting>(100);
  Loader loader({corpus}, Sampler(3, {{100}}), {0, 1, 2, {{}, 2}, 5, 3}, 0);
  for (int i = 0; i < 3; ++i) loader.next();
  int asked = 0;
  EXPECT_THROW(loader.next([&] { return ++asked < 3; }), Error);
  EXPECT_EQ(asked, 3);
  EXPECT_EQ(corpus->reads.load(), 6);
}

TEST(Loader, RefusesABatchThatCannotBeSplit) {
  Loader loader({std::make_shared<Counting>(50)}, Sampler(3, {{50}}), {0, 3, 1, {{}, 4}, 1}, 0);
  EXPECT_THROW(loader.next(), Error);
}

}  // namespace
}  // namespace bessemer::data
