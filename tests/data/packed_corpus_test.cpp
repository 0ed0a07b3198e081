#include "data/packed_corpus.h"

#include <gmock/gmock.h>

#include <numeric>
#include <random>

#include "tests/data/folder.h"

namespace bessemer::data {
namespace {

using testing::HasSubstr;

class Documents : public FolderTest {
 protected:
  /// Shards of documents of the given lengths; token i of the split is i. `cuts`: tokens at which a shard ends.
  /// `masked`: documents of which no token is to be predicted.
  void write(const std::vector<int64_t>& lengths, const std::vector<int64_t>& cuts = {},
             const std::vector<int64_t>& masked = {}) {
    const int64_t all = std::accumulate(lengths.begin(), lengths.end(), int64_t{0});
    std::vector<int64_t> ends = cuts;
    ends.push_back(all);
    std::unique_ptr<TokenShardWriter> writer;
    uint32_t index = 0;
    int64_t at = 0;
    const auto begin_shard = [&](bool continues) {
      auto facts = facts_for(100000, index, static_cast<uint32_t>(ends.size()));
      facts.continues = continues, facts.loss_mask = !masked.empty();
      writer = std::make_unique<TokenShardWriter>(this->at(shard_name("train", index, facts.count)), facts);
    };
    begin_shard(false);
    for (std::size_t d = 0; d < lengths.size(); ++d) {
      const uint8_t wanted = std::find(masked.begin(), masked.end(), static_cast<int64_t>(d)) == masked.end();
      const int64_t length = lengths[d];
      for (int64_t i = 0; i < length; ++i) {
        if (at == ends[index]) {
          writer->finish();
          ++index;
          begin_shard(i > 0);
        }
        const auto id = static_cast<uint32_t>(at++);
        writer->append({&id, 1}, {&wanted, masked.empty() ? 0u : 1u});
      }
      writer->end_document();
    }
    writer->finish();
    begins_.clear();
    for (int64_t begin = 0; const int64_t length : lengths) begins_.push_back(begin), begin += length;
    begins_.push_back(all);
  }
  /// Which document token `t` is of.
  int64_t document_of(int64_t t) const {
    return std::upper_bound(begins_.begin(), begins_.end(), t) - begins_.begin() - 1;
  }

  std::vector<int64_t> begins_;
};

struct Read {
  std::vector<int64_t> tokens, starts;
  std::vector<uint8_t> counted;
};

Read read(const Corpus& corpus, int64_t row) {
  const auto s = static_cast<std::size_t>(corpus.sequence());
  Read out{std::vector<int64_t>(s + 1), std::vector<int64_t>(s), std::vector<uint8_t>(s)};
  corpus.read_row(row, {out.tokens, out.starts, out.counted});
  return out;
}

std::vector<int64_t> random_lengths(int64_t n, int64_t most) {
  std::mt19937_64 random(5);
  std::vector<int64_t> lengths;
  for (int64_t i = 0; i < n; ++i) lengths.push_back(static_cast<int64_t>(random() % static_cast<uint64_t>(most + 1)));
  return lengths;
}

// Over an epoch each token is the target of exactly one counted position, but the first of each document, which is the
// target of none; a counted position sees nothing but what comes before in its document.
TEST_F(Documents, EachTokenIsPredictedOnceFromItsOwnDocument) {
  const auto lengths = random_lengths(300, 90);
  const int64_t all = std::accumulate(lengths.begin(), lengths.end(), int64_t{0});
  write(lengths, {all / 3, all / 3 + 1, all / 2});
  for (const Mode mode : {Mode::kPacked, Mode::kPadded}) {
    for (const int64_t s : {1, 7, 32, 200}) {
      const auto corpus = Corpus::open(folder(), "train", {s, mode});
      std::vector<int> predicted(static_cast<std::size_t>(all));
      for (int64_t row = 0; row < corpus->rows(); ++row) {
        const auto got = read(*corpus, row);
        for (std::size_t i = 0; i < got.counted.size(); ++i) {
          const auto start = static_cast<std::size_t>(got.starts[i]);
          ASSERT_LE(start, i);
          ASSERT_EQ(got.starts[start], got.starts[i]);
          if (!got.counted[i]) continue;
          const int64_t target = got.tokens[i + 1];
          ASSERT_EQ(got.tokens[i] + 1, target);
          ASSERT_EQ(document_of(got.tokens[start]), document_of(target));
          ASSERT_EQ(got.tokens[i] - got.tokens[start], static_cast<int64_t>(i - start));
          ++predicted[static_cast<std::size_t>(target)];
        }
      }
      for (int64_t t = 0; t < all; ++t)
        ASSERT_EQ(predicted[static_cast<std::size_t>(t)], begins_[static_cast<std::size_t>(document_of(t))] != t) << t;
    }
  }
}

TEST_F(Documents, APaddedRowHoldsOneAndPackedRowsAreFull) {
  const auto lengths = random_lengths(2000, 60);
  const int64_t all = std::accumulate(lengths.begin(), lengths.end(), int64_t{0});
  write(lengths);
  const auto padded = Corpus::open(folder(), "train", {64, Mode::kPadded});
  EXPECT_EQ(padded->rows(), std::count_if(lengths.begin(), lengths.end(), [](int64_t n) { return n >= 2; }));
  const auto packed = Corpus::open(folder(), "train", {64, Mode::kPacked});
  EXPECT_LE(static_cast<double>(packed->rows()), 1.02 * static_cast<double>(all) / 65 + 1);
  for (int64_t row = 0; row < padded->rows(); ++row) {
    const auto got = read(*padded, row);
    const auto n = std::count(got.counted.begin(), got.counted.end(), 1);
    EXPECT_EQ(lengths[static_cast<std::size_t>(document_of(got.tokens[0]))], n + 1);
    for (std::size_t i = static_cast<std::size_t>(n) + 1; i < 64; ++i) EXPECT_EQ(got.starts[i], n + 1) << "padding";
  }
}

// Longer than a stretch: several of them, in any order, and more than are kept.
TEST_F(Documents, RowsOfEveryStretchAreTheSameInAnyOrder) {
  std::vector<int64_t> lengths(3000, 1000);
  lengths[1500] = 2'500'000;  // over whole stretches, in which none begins
  std::vector<uint32_t> ids(5'499'000);
  for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<uint32_t>(i % 50000);
  TokenShardWriter writer(at(shard_name("train", 0, 1)), facts_for(50000));
  for (std::size_t at = 0; const int64_t n : lengths) {
    writer.append(std::span(ids).subspan(at, static_cast<std::size_t>(n)));
    writer.end_document();
    at += static_cast<std::size_t>(n);
  }
  writer.finish();
  const auto corpus = Corpus::open(folder(), "train", {2048, Mode::kPacked});
  const auto again = Corpus::open(folder(), "train", {2048, Mode::kPacked});
  int64_t counted = 0;
  for (int64_t row = 0; row < corpus->rows(); ++row) {
    const auto got = read(*corpus, row);
    counted += std::count(got.counted.begin(), got.counted.end(), 1);
    const int64_t other = (row * 1237) % corpus->rows();
    ASSERT_EQ(read(*again, other).tokens, read(*corpus, other).tokens);
  }
  EXPECT_EQ(counted, 5'499'000 - 3000);
}

TEST_F(Documents, AStreamWithADocumentMaskSaysWhereTheyBegin) {
  const auto lengths = random_lengths(300, 40);
  const int64_t all = std::accumulate(lengths.begin(), lengths.end(), int64_t{0});
  write(lengths, {all / 3, all / 2});
  for (const int64_t s : {1, 7, 64, 1000}) {
    const auto plain = Corpus::open(folder(), "train", {s});
    const auto masked = Corpus::open(folder(), "train", {s, Mode::kStream, true});
    ASSERT_FALSE(plain->has_documents());
    for (int64_t row = 0; row < masked->rows(); ++row) {
      const auto got = read(*masked, row);
      std::vector<int64_t> tokens(got.tokens.size());
      plain->read_row(row, {tokens, {}, {}});
      ASSERT_EQ(got.tokens, tokens);
      for (std::size_t i = 0; i < got.starts.size(); ++i) {
        const int64_t token = row * s + static_cast<int64_t>(i), d = document_of(token);
        ASSERT_EQ(got.starts[i], std::max<int64_t>(0, begins_[static_cast<std::size_t>(d)] - row * s))
            << row << " " << i;
        ASSERT_EQ(got.counted[i], document_of(token + 1) == d);
      }
    }
  }
}

// In every mode a masked document leaves the others as they are, and adds nothing to the number of targets that count.
TEST_F(Documents, OfAMaskedDocumentNoTargetCounts) {
  const auto lengths = random_lengths(200, 60);
  const int64_t all = std::accumulate(lengths.begin(), lengths.end(), int64_t{0});
  const std::vector<int64_t> masked{3, 50, 51, 120, 199};
  const auto is_masked = [&](int64_t t) {
    return std::find(masked.begin(), masked.end(), document_of(t)) != masked.end();
  };
  for (const auto& [mode, document_mask] :
       {std::pair{Mode::kStream, false}, {Mode::kStream, true}, {Mode::kPacked, false}, {Mode::kPadded, false}}) {
    for (const int64_t s : {7, 64}) {
      write(lengths, {all / 3, all / 2});
      const auto plain = Corpus::open(folder(), "train", {s, mode, document_mask});
      EXPECT_FALSE(plain->has_loss_mask());
      std::vector<Read> before;
      for (int64_t row = 0; row < plain->rows(); ++row) before.push_back(read(*plain, row));
      write(lengths, {all / 3, all / 2}, masked);
      const auto corpus = Corpus::open(folder(), "train", {s, mode, document_mask});
      ASSERT_TRUE(corpus->has_loss_mask());
      ASSERT_EQ(corpus->rows(), plain->rows());
      for (int64_t row = 0; row < corpus->rows(); ++row) {
        const auto got = read(*corpus, row);
        const auto& was = before[static_cast<std::size_t>(row)];
        ASSERT_EQ(got.tokens, was.tokens);
        ASSERT_EQ(got.starts, was.starts);
        for (std::size_t i = 0; i < got.counted.size(); ++i)
          ASSERT_EQ(got.counted[i], was.counted[i] && !is_masked(got.tokens[i + 1])) << row << " " << i;
      }
    }
  }
}

TEST_F(Documents, ASplitMayBeginWithTheRestOfADocument) {
  auto facts = facts_for(1000);
  facts.continues = true;
  TokenShardWriter writer(at(shard_name("train", 0, 1)), facts);
  writer.append(std::vector<uint32_t>{1, 2, 3, 4});
  writer.finish();
  EXPECT_EQ(Corpus::open(folder(), "train", {8, Mode::kPadded})->rows(), 1);
}

TEST_F(Documents, WithNothingToPredictAreRefused) {
  write({1, 0, 1, 1});
  EXPECT_THAT(refusal([&] { Corpus::open(folder(), "train", {8, Mode::kPacked}); }), HasSubstr("nothing to predict"));
}

TEST(Pack, FillsRowsAndLosesNothing) {
  std::mt19937_64 random(3);
  std::vector<Piece> pieces;
  int64_t all = 0;
  for (int64_t i = 0; i < 5000; ++i) {
    pieces.push_back({i, 2 + static_cast<int64_t>(random() % 500)});
    all += pieces.back().tokens;
  }
  const auto rows = pack(pieces, 1025);
  std::size_t placed = 0;
  for (const auto& row : rows) {
    int64_t tokens = 0;
    for (const auto& piece : row) tokens += piece.tokens;
    EXPECT_LE(tokens, 1025);
    placed += row.size();
  }
  EXPECT_EQ(placed, pieces.size());
  EXPECT_LE(static_cast<double>(rows.size()), 1.01 * static_cast<double>(all) / 1025);
  EXPECT_TRUE(pack({}, 10).empty());
}

}  // namespace
}  // namespace bessemer::data
