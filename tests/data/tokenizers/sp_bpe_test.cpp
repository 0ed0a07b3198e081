#include "data/tokenizers/sp_bpe.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "parallel/error.h"

namespace bessemer::data {
namespace {

using Type = PieceType;

TokenIds ids_of(const SpBpe& model, std::string_view text) {
  Scratch scratch;
  TokenIds ids;
  model.encode(text, scratch, ids);
  return ids;
}

SpBpe bpe(std::vector<ScoredPiece> pieces) { return SpBpe(ScoredPieces(std::move(pieces), 0, false, "test")); }

const ScoredPiece kUnknown{"<unk>", 0, Type::kUnknown};

TEST(SpBpe, MergesTheHighestScoreFirst) {
  const auto model = bpe({kUnknown, {"ab", -2}, {"bc", -1}, {"abc", -3}, {"a", -4}, {"b", -5}, {"c", -6}});
  EXPECT_EQ(ids_of(model, "abc"), (TokenIds{3}));
  EXPECT_EQ(ids_of(model, "abab"), (TokenIds{1, 1}));
  EXPECT_EQ(ids_of(model, "cbcb"), (TokenIds{6, 2, 5}));
  EXPECT_EQ(ids_of(model, ""), TokenIds{});
}

TEST(SpBpe, OfEqualScoresTheLeftmostMergesFirst) {
  const auto model = bpe({kUnknown, {"aa", -1}, {"ab", -1}, {"a", -2}, {"b", -2}});
  EXPECT_EQ(ids_of(model, "aaab"), (TokenIds{1, 2}));
  EXPECT_EQ(ids_of(model, "aab"), (TokenIds{1, 4}));
}

TEST(SpBpe, CharactersThatAreNoPieceMayMerge) {
  const auto model = bpe({kUnknown, {"aé", -1}, {"b", -2}, {"界", 0, Type::kControl}, {"界b", -3}});
  EXPECT_EQ(ids_of(model, "aéba"), (TokenIds{1, 2, 0}));
  EXPECT_EQ(ids_of(model, "界b界界"), (TokenIds{4, 0}));
}

TEST(SpBpe, WhatTheUserDefinedNeverMerges) {
  const auto model = bpe({kUnknown, {"a", -1}, {"b", -1}, {"ab", 0}, {"abc", 0}, {"bb", -9, Type::kUserDefined}});
  EXPECT_EQ(ids_of(model, "abb"), (TokenIds{1, 5}));
  EXPECT_EQ(ids_of(model, "abab"), (TokenIds{3, 3}));
}

TEST(SpBpe, UnusedPiecesFallApartAgain) {
  const auto model = bpe(
      {kUnknown, {"ab", -1, Type::kUnused}, {"abc", -2}, {"a", -3}, {"b", -4}, {"c", -5}, {"d", -6, Type::kUnused}});
  EXPECT_EQ(ids_of(model, "abcab"), (TokenIds{2, 3, 4}));
  EXPECT_EQ(ids_of(model, "da"), (TokenIds{0, 3}));
}

TEST(SpBpe, KnowsWhereWordsBegin) {
  EXPECT_TRUE(bpe({kUnknown, {"▁a", 0}, {"▁▁▁", 0}, {"a", 0}}).words_begin_with_space());
  EXPECT_FALSE(bpe({kUnknown, {"▁a▁b", 0}}).words_begin_with_space());
  EXPECT_FALSE(bpe({kUnknown, {"a▁", 0}}).words_begin_with_space());
  EXPECT_FALSE(bpe({kUnknown, {"a▁b", 0, Type::kUserDefined}}).words_begin_with_space());
  EXPECT_FALSE(bpe({kUnknown, {"▁a", 0, Type::kUnused}}).words_begin_with_space());
}

/// Merging as it is defined: look through all neighbours, merge the best, again.
TokenIds merged_plainly(const std::vector<ScoredPiece>& pieces, const std::string& text) {
  std::map<std::string, uint32_t> ids;
  for (uint32_t id = 1; id < pieces.size(); ++id) ids[pieces[id].text] = id;
  std::vector<std::string> parts;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = text.compare(at, 3, "▁") == 0 ? 3 : 1;
    parts.push_back(text.substr(at, length));
    at += length;
  }
  while (true) {
    std::size_t best = parts.size();
    double highest = -1e9;
    for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
      const auto known = ids.find(parts[i] + parts[i + 1]);
      if (known != ids.end() && pieces[known->second].score > highest) best = i, highest = pieces[known->second].score;
    }
    if (best == parts.size()) break;
    parts[best] += parts[best + 1];
    parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(best) + 1);
  }
  TokenIds out;
  bool unknown = false;
  for (const auto& part : parts) {
    const auto known = ids.find(part);
    if (known != ids.end())
      out.push_back(known->second);
    else if (!unknown)
      out.push_back(0);
    unknown = known == ids.end();
  }
  return out;
}

TEST(SpBpe, FewOrManySymbolsMergeAsDefined) {
  std::mt19937 random(1);
  const std::vector<std::string> letters{"a", "b", "c", "▁", "d"};
  for (int round = 0; round < 60; ++round) {
    std::vector<ScoredPiece> pieces{kUnknown};
    std::map<std::string, int> seen;
    for (int i = 0; i < 60; ++i) {
      std::string text;
      const bool words = round % 3 != 0;  // pieces that keep to words, so that words are merged each for itself
      for (std::size_t n = 1 + random() % 5; n > 0; --n) text += letters[random() % (words && !text.empty() ? 3 : 4)];
      if (seen[text]++ == 0) pieces.push_back({text, -static_cast<double>(random() % 20)});
    }
    const auto model = bpe(pieces);
    for (int i = 0; i < 20; ++i) {
      std::string text;
      for (std::size_t n = random() % (i % 2 == 0 ? 20 : 200); n > 0; --n) text += letters[random() % 5];
      ASSERT_EQ(ids_of(model, text), merged_plainly(pieces, text)) << text;
    }
  }
}

TEST(SpBpe, AMillionOfOneLetterTakesNoSquareOfIt) {
  std::vector<ScoredPiece> pieces{kUnknown};
  for (std::size_t n = 1; n <= 16; ++n) pieces.push_back({std::string(n, 'a'), -static_cast<double>(n)});
  EXPECT_EQ(ids_of(bpe(pieces), std::string(1 << 20, 'a')), TokenIds((1 << 20) / 16, 16));
}

}  // namespace
}  // namespace bessemer::data
