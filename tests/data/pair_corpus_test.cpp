#include "data/pair_corpus.h"

#include <gmock/gmock.h>

#include <cmath>
#include <map>
#include <numeric>
#include <random>
#include <set>

#include "data/loader.h"
#include "data/tokenizer.h"
#include "tests/data/folder.h"

namespace bessemer::data {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr int64_t kBefore = 1, kAfter = 2, kPadding = 0, kFirstId = 10;  // other ids: kFirstId + place in the split

/// Documents of sentences of the given lengths.
using Text = std::vector<std::vector<int64_t>>;

Text random_text(int documents, int most_sentences, int longest) {
  std::mt19937_64 random(3);
  const auto below = [&](int n) { return static_cast<int64_t>(random() % static_cast<uint64_t>(n)); };
  Text text(static_cast<std::size_t>(documents));
  for (auto& document : text) {
    document.resize(static_cast<std::size_t>(below(most_sentences + 1)));
    for (auto& sentence : document) sentence = 1 + below(longest);
  }
  return text;
}

class Pairs : public FolderTest {
 protected:
  /// Every token is another id, so that a row tells what of the split it holds; each document ends with kAfter where
  /// `eod` says so. `shard_tokens`: a shard ends behind so many.
  std::shared_ptr<const Corpus> open(const Text& text, PairKind kind, int64_t sequence, double short_share = 0.1,
                                     bool eod = false, int64_t shard_tokens = 1 << 30) {
    int64_t all = 0;
    for (const auto& document : text) all += std::accumulate(document.begin(), document.end(), int64_t{eod});
    const auto shards = static_cast<uint32_t>(std::max<int64_t>(1, (all + shard_tokens - 1) / shard_tokens));
    std::unique_ptr<TokenShardWriter> writer;
    uint32_t index = 0;
    int64_t at = 0;
    std::filesystem::remove_all(folder());
    std::filesystem::create_directories(folder());
    const auto begin_shard = [&](bool continues) {
      if (writer) writer->finish();
      auto facts = facts_for(static_cast<uint32_t>(kFirstId + all + 1), index++, shards);
      facts.sentences = true, facts.continues = continues, facts.pad_id = kPadding, facts.eod_id = eod ? kAfter : -1;
      writer = std::make_unique<TokenShardWriter>(this->at(shard_name("train", index - 1, shards)), facts);
    };
    begin_shard(false);
    documents_.clear(), sentence_begins_.clear();
    const auto put = [&](bool inside, uint32_t id, int64_t document) {
      if (at > 0 && at % shard_tokens == 0) begin_shard(inside);
      writer->append({&id, 1});
      documents_.push_back(document), ++at;
    };
    for (std::size_t d = 0; d < text.size(); ++d) {
      bool inside = false;
      for (std::size_t s = 0; s < text[d].size(); ++s) {
        sentence_begins_.insert(at);
        const bool last = s + 1 == text[d].size();
        for (int64_t i = 0; i < text[d][s]; ++i, inside = true)
          put(inside, static_cast<uint32_t>(kFirstId + at), static_cast<int64_t>(d));
        if (!last) writer->end_sentence();
      }
      if (eod) put(inside, kAfter, static_cast<int64_t>(d));
      if (inside || eod) writer->end_sentence();
      writer->end_document();
    }
    writer->finish();
    Cut cut{sequence};
    cut.next_token = false, cut.pairs = {kind, short_share, kBefore, kAfter};
    return Corpus::open(folder(), "train", cut);
  }

  std::vector<int64_t> documents_;     ///< of each token
  std::set<int64_t> sentence_begins_;  ///< places in the split
};

struct Pair {
  std::vector<int64_t> a, b;  ///< places in the split
  int64_t label = -1;
};

/// Reads a row and checks its frame.
Pair read(const Corpus& corpus, int64_t row, uint64_t key) {
  const Rows rows = read_rows({{&corpus, row, static_cast<int64_t>(key)}}, corpus.sequence(), 7);
  const auto s = static_cast<std::size_t>(corpus.sequence());
  Pair pair;
  pair.label = rows.pair_labels.at(0);
  EXPECT_EQ(rows.tokens[0], kBefore);
  std::size_t i = 1;
  const auto segment = [&](std::vector<int64_t>& out, uint8_t number) {
    for (; i < s && rows.tokens[i] >= kFirstId; ++i) {
      out.push_back(rows.tokens[i] - kFirstId);
      EXPECT_EQ(rows.segments[i], number);
      EXPECT_EQ(rows.counted[i], 1);
    }
    EXPECT_LT(i, s) << "nothing ends the segment";
    EXPECT_EQ(rows.tokens[i], kAfter);
    EXPECT_EQ(rows.segments[i], number);
    EXPECT_EQ(rows.counted[i], 0);
    ++i;
  };
  segment(pair.a, 0);
  segment(pair.b, 1);
  const auto end = static_cast<int64_t>(i);
  for (std::size_t k = 0; k < s; ++k) EXPECT_EQ(rows.starts[k], k < i ? 0 : end);
  for (; i < s; ++i) {
    EXPECT_EQ(rows.tokens[i], kPadding);
    EXPECT_EQ(rows.segments[i], 0);
    EXPECT_EQ(rows.counted[i], 0);
  }
  EXPECT_FALSE(pair.a.empty());
  EXPECT_FALSE(pair.b.empty());
  for (const auto* part : {&pair.a, &pair.b}) {
    for (std::size_t k = 1; k < part->size(); ++k) EXPECT_EQ((*part)[k], (*part)[k - 1] + 1) << "not consecutive";
  }
  return pair;
}

TEST_F(Pairs, SentenceOrderReadsEveryTokenOnceAnEpochAndExchangesHalf) {
  for (const bool eod : {false, true}) {
    for (const int64_t shard : {int64_t{1} << 30, int64_t{997}}) {
      const auto corpus = open(random_text(400, 9, 25), PairKind::kSentenceOrder, 40, 0.1, eod, shard);
      std::map<int64_t, int> seen;
      int64_t exchanged = 0;
      for (int64_t row = 0; row < corpus->rows(); ++row) {
        const Pair pair = read(*corpus, row, static_cast<uint64_t>(row));
        exchanged += pair.label;
        const auto &first = pair.label == 0 ? pair.a : pair.b, &second = pair.label == 0 ? pair.b : pair.a;
        EXPECT_EQ(second.front(), first.back() + 1);
        EXPECT_EQ(documents_[static_cast<std::size_t>(first.front())],
                  documents_[static_cast<std::size_t>(second.back())]);
        for (const auto* part : {&pair.a, &pair.b}) {
          for (const int64_t t : *part) ++seen[t];
        }
      }
      // What is missing are ends of documents, and runs of one token.
      int64_t missing = 0;
      for (int64_t t = 0; t < static_cast<int64_t>(documents_.size()); ++t) {
        EXPECT_LE(seen[t], 1);
        const auto at = static_cast<std::size_t>(t);
        const bool ends = eod && (at + 1 == documents_.size() || documents_[at + 1] != documents_[at]);
        if (ends) {
          EXPECT_EQ(seen[t], 0);
        }
        if (!ends && seen[t] == 0) {
          ++missing;
          EXPECT_TRUE(seen[t - 1] == 1 || t == 0 || documents_[at - 1] != documents_[at]);
          EXPECT_TRUE(sentence_begins_.count(t) == 1 || t % shard == 0 || seen[t - 1] == 1);
        }
      }
      EXPECT_LT(missing, corpus->rows() / 20);
      const double n = static_cast<double>(corpus->rows());
      EXPECT_NEAR(static_cast<double>(exchanged), n / 2, 4 * std::sqrt(n / 4));
    }
  }
}

TEST_F(Pairs, NextSentenceTakesHalfOfTheSecondSegmentsFromOtherDocuments) {
  const auto corpus = open(random_text(300, 9, 25), PairKind::kNextSentence, 40);
  int64_t wrong = 0, long_ones = 0;
  for (int64_t row = 0; row < corpus->rows(); ++row) {
    const Pair pair = read(*corpus, row, static_cast<uint64_t>(row));
    wrong += pair.label;
    const auto a = documents_[static_cast<std::size_t>(pair.a.back())],
               b = documents_[static_cast<std::size_t>(pair.b.front())];
    EXPECT_EQ(a == b, pair.label == 0);
    if (pair.label == 0) {
      EXPECT_EQ(pair.b.front(), pair.a.back() + 1);
    } else {
      EXPECT_TRUE(sentence_begins_.count(pair.b.front())) << "begins inside of a sentence";
    }
    long_ones += pair.a.size() + pair.b.size() == 37;
  }
  const double n = static_cast<double>(corpus->rows());
  EXPECT_NEAR(static_cast<double>(wrong), n / 2, 4 * std::sqrt(n / 4));
  EXPECT_GT(long_ones, 10) << "what is too long should be cut to what fits";
}

TEST_F(Pairs, ChanceIsAFunctionOfTheRowOfTheRun) {
  const auto corpus = open(random_text(50, 9, 12), PairKind::kNextSentence, 40);
  int different = 0;
  for (int64_t row = 0; row < corpus->rows(); ++row) {
    const Pair once = read(*corpus, row, 3), again = read(*corpus, row, 3), later = read(*corpus, row, 4);
    EXPECT_EQ(once.a, again.a);
    EXPECT_EQ(once.b, again.b);
    EXPECT_EQ(once.label, again.label);
    different += once.a != later.a || once.b != later.b;
  }
  EXPECT_GT(different, corpus->rows() / 3);
}

TEST_F(Pairs, RunsFillRowsAndSomeAreShort) {
  // Sentences of 4 in rows of 10: two to a run, or fewer in a short one; one of 25 is cut.
  const std::vector<int64_t> begins{0, 4, 8, 12, 37, 38};
  const auto runs = sentence_runs(5, begins, 10, 0.0);
  ASSERT_EQ(runs.size(), 5u);
  EXPECT_EQ(runs[0].tokens, 8);
  EXPECT_THAT(runs[0].sentences, ElementsAre(4));
  EXPECT_EQ(runs[1].tokens, 4);
  EXPECT_EQ(runs[2].first, 12);
  EXPECT_EQ(runs[2].tokens, 10);
  EXPECT_EQ(runs[4].first, 32);
  EXPECT_EQ(runs[4].tokens, 6);
  EXPECT_THAT(runs[4].sentences, ElementsAre(5));
  EXPECT_TRUE(sentence_runs(0, {7}, 10, 0.0).empty());
  EXPECT_TRUE(sentence_runs(0, {7, 8}, 10, 0.0).empty()) << "one token makes no pair";

  std::vector<int64_t> ones(100001);
  for (std::size_t i = 0; i < ones.size(); ++i) ones[i] = static_cast<int64_t>(i);
  const auto many = sentence_runs(0, ones, 50, 0.2);
  const auto short_ones = std::count_if(many.begin(), many.end(), [](const auto& run) { return run.tokens < 50; });
  const double n = static_cast<double>(many.size()), p = 0.2 * 48 / 49;
  EXPECT_NEAR(static_cast<double>(short_ones), n * p, 4 * std::sqrt(n * p * (1 - p)));
}

TEST_F(Pairs, SaysWhatIsMissing) {
  EXPECT_THAT(refusal([&] { open({{5, 5, 5}}, PairKind::kNextSentence, 20); }), HasSubstr("one document"));
  EXPECT_EQ(open({{5, 5, 5}}, PairKind::kSentenceOrder, 20)->rows(), 1);
  EXPECT_THAT(refusal([&] { open({{1}, {1}}, PairKind::kSentenceOrder, 20); }), HasSubstr("no sentence of two tokens"));
  EXPECT_THAT(refusal([&] { pair_cut({}, *make_bytes_tokenizer()); }), HasSubstr("neither [CLS] and [SEP]"));

  auto facts = facts_for(100, 0, 1, "val");
  TokenShardWriter writer(at(shard_name("val", 0, 1)), facts);
  const std::vector<uint32_t> ids{1, 2, 3};
  writer.append(ids);
  writer.end_document();
  writer.finish();
  Cut cut{20};
  cut.next_token = false, cut.pairs = {PairKind::kSentenceOrder, 0.1, kBefore, kAfter};
  EXPECT_THAT(refusal([&] { Corpus::open(folder(), "val", cut); }), HasSubstr("--sentences"));
}

}  // namespace
}  // namespace bessemer::data
