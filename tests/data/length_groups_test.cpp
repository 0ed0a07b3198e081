#include "data/length_groups.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <numeric>
#include <random>

#include "data/loader.h"
#include "data/mixture.h"
#include "tests/data/folder.h"

namespace bessemer::data {
namespace {

constexpr int64_t kSequence = 256, kBatch = 16;

/// 3,001 documents of 2 to 257 tokens, most of them short; the first token of each is its number, the others 5000.
class Grouped : public FolderTest {
 protected:
  Grouped() {
    TokenShardWriter writer(at(shard_name("train", 0, 1)), facts_for(5001));
    std::mt19937_64 random(5);
    for (uint32_t d = 0; d < 3001; ++d) {
      const double x = std::uniform_real_distribution<double>(0, 1)(random);
      std::vector<uint32_t> ids(2 + static_cast<std::size_t>(255 * x * x * x), 5000);
      ids[0] = d;
      lengths_.push_back(static_cast<int64_t>(ids.size()));
      writer.append(ids);
      writer.end_document();
    }
    writer.finish();
  }
  Mixture open(bool grouped) const {
    DataOptions options;
    options.path = folder(), options.mode = Mode::kPadded, options.group_by_length = grouped;
    return Mixture::open(options, kSequence, false);
  }

  std::vector<int64_t> lengths_;
};

struct Step {
  std::vector<int64_t> documents;
  int64_t sequence = 0, counted = 0;
  bool operator==(const Step&) const = default;
};

/// Steps [first, last) as `dp` ranks see them together.
std::vector<Step> steps_of(const Mixture& data, Sampler sampler, int64_t first, int64_t last, int dp = 1) {
  std::vector<Step> steps(static_cast<std::size_t>(last - first));
  for (int rank = 0; rank < dp; ++rank) {
    Loader loader(data.corpora(), sampler, {rank, dp, 2, {{}, kBatch}, 4}, first);
    for (auto& step : steps) {
      for (int64_t m = 0; m < kBatch / dp / 2; ++m) {
        const Rows rows = loader.next();
        EXPECT_TRUE(step.sequence == 0 || step.sequence == rows.sequence) << "another length on another rank";
        step.sequence = rows.sequence;
        step.counted += std::count(rows.counted.begin(), rows.counted.end(), 1);
        for (std::size_t i = 0; i < 2; ++i)
          step.documents.push_back(rows.tokens[i * static_cast<std::size_t>(rows.sequence + 1)]);
      }
    }
  }
  return steps;
}

TEST_F(Grouped, EveryDocumentOnceAnEpoch) {
  const auto data = open(true);
  const auto groups = data.sources(kBatch)[0].groups;
  std::vector<std::vector<int64_t>> epochs;
  for (int64_t epoch = 0; epoch < 3; ++epoch) {
    std::vector<int64_t> rows;
    for (int64_t i = 0; i < 3001; ++i) {
      const auto row = groups->at(3, epoch * 3001 + i);
      EXPECT_EQ(row.tokens, lengths_[static_cast<std::size_t>(row.row)]);
      rows.push_back(row.row);
    }
    epochs.push_back(rows);
    std::sort(rows.begin(), rows.end());
    for (int64_t i = 0; i < 3001; ++i) ASSERT_EQ(rows[static_cast<std::size_t>(i)], i);
  }
  EXPECT_NE(epochs[0], epochs[1]);
  for (const int64_t i : {9002, 0, 5000, 3001, 17})
    EXPECT_EQ(groups->at(3, i).row, epochs[static_cast<std::size_t>(i / 3001)][static_cast<std::size_t>(i % 3001)]);
  EXPECT_NE(groups->at(4, 17).row, groups->at(3, 17).row);
}

// Over two epochs, whose end lies within a step: positions computed, for the same targets.
TEST_F(Grouped, RowsAreHardlyLongerThanTheirDocuments) {
  const auto sum = [](const std::vector<Step>& steps, auto field) {
    return std::accumulate(steps.begin(), steps.end(), int64_t{0},
                           [&](int64_t all, const Step& step) { return all + step.*field; });
  };
  const int64_t n = 2 * 3001 / kBatch;
  const auto plain = open(false), grouped = open(true);
  const auto without = steps_of(plain, {3, plain.sources(kBatch)}, 0, n),
             with = steps_of(grouped, {3, grouped.sources(kBatch)}, 0, n);
  int64_t longest = 0;  // what cutting without grouping would leave
  for (const auto& step : without) {
    int64_t most = 0;
    for (const int64_t d : step.documents) most = std::max(most, lengths_[static_cast<std::size_t>(d)] - 1);
    longest += kBatch * ((most + 7) / 8 * 8);
  }
  const double targets = static_cast<double>(sum(with, &Step::counted));
  const auto share = [&](double positions) { return 1 - targets / positions; };
  const double all = share(static_cast<double>(n * kBatch * kSequence)), cut = share(static_cast<double>(longest)),
               now = share(static_cast<double>(kBatch * sum(with, &Step::sequence)));
  RecordProperty("padding", concat(all, " whole rows, ", cut, " cut but not grouped, ", now, " grouped"));
  EXPECT_GT(all, 0.7);
  EXPECT_GT(cut, 0.6);
  EXPECT_LT(now, 0.12);
}

TEST_F(Grouped, AnyNumberOfRanksAndAnyResumeSeeTheSame) {
  const auto data = open(true);
  const Sampler start(3, data.sources(kBatch));
  const auto all = steps_of(data, start, 0, 400);
  for (const int dp : {2, 4}) {
    for (const int64_t from : {0, 63, 187, 300}) {  // 187.6 steps are an epoch
      Sampler here(3, open(true).sources(kBatch));
      here.skip(from * kBatch);
      EXPECT_EQ(steps_of(data, here, from, from + 20, dp),
                std::vector<Step>(all.begin() + from, all.begin() + from + 20));
    }
  }
}

}  // namespace
}  // namespace bessemer::data
