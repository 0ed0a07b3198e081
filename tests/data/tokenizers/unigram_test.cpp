#include "data/tokenizers/unigram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <unordered_map>

#include "parallel/error.h"

namespace bessemer::data {
namespace {

using Type = PieceType;
constexpr auto kFloat = Unigram::Sum::kFloat;

TokenIds ids_of(const PieceModel& model, std::string_view text) {
  Scratch scratch;
  TokenIds ids;
  model.encode(text, scratch, ids);
  return ids;
}

Unigram unigram(std::vector<ScoredPiece> pieces, Unigram::Sum sum = kFloat, bool byte_fallback = false) {
  return Unigram(ScoredPieces(std::move(pieces), 0, byte_fallback, "test"), sum);
}

TEST(Unigram, TakesTheBestPath) {
  const auto model = unigram({{"?", 0, Type::kUnknown}, {"a", -1}, {"b", -1}, {"ab", -3}, {"ba", -1.5}});
  EXPECT_EQ(ids_of(model, "ab"), (TokenIds{1, 2}));
  EXPECT_EQ(ids_of(model, "aba"), (TokenIds{1, 4}));
  EXPECT_EQ(ids_of(model, ""), TokenIds{});
  EXPECT_STREQ(model.kind(), "unigram");
  EXPECT_EQ(model.vocab_size(), 5);
  EXPECT_EQ(model.token(3), "ab");
  EXPECT_EQ(model.token(5), "");
}

// Of "x|xx" and "xx|x" the first to be found stays: the last piece that begins earliest.
TEST(Unigram, OfEqualScoresTheEarlierStartStays) {
  const auto model = unigram({{"?", 0, Type::kUnknown}, {"x", -2}, {"xx", -2}});
  EXPECT_EQ(ids_of(model, "xxx"), (TokenIds{1, 2}));
  EXPECT_EQ(ids_of(model, "xxxxx"), (TokenIds{1, 2, 2}));
}

TEST(Unigram, ARunOfTheUnknownIsOneId) {
  const auto model = unigram({{"?", 0, Type::kUnknown}, {"a", -1}});
  EXPECT_EQ(ids_of(model, "世界a界é!"), (TokenIds{0, 1, 0}));
}

TEST(Unigram, TheUnknownBecomesBytes) {
  std::vector<ScoredPiece> pieces{{"?", 0, Type::kUnknown}, {"a", -1}};
  for (int i = 0; i < 256; ++i) {
    constexpr char kDigits[] = "0123456789ABCDEF";
    pieces.push_back({std::string("<0x") + kDigits[i / 16] + kDigits[i % 16] + ">", 0, Type::kByte});
  }
  const auto model = unigram(pieces, kFloat, true);
  EXPECT_EQ(ids_of(model, "éa\n"), (TokenIds{2 + 0xC3, 2 + 0xA9, 1, 2 + 0x0A}));
  EXPECT_EQ(model.token(2 + 0x0A), "\n");
  pieces.pop_back();
  EXPECT_THROW(unigram(pieces, kFloat, true), Error);
}

TEST(Unigram, ControlAndUnusedPiecesMatchNoText) {
  const auto model = unigram({{"?", 0, Type::kUnknown}, {"a", -1}, {"ab", 0, Type::kUnused}, {"b", 0, Type::kControl}});
  EXPECT_EQ(ids_of(model, "ab"), (TokenIds{1, 0}));
}

TEST(Unigram, WhatTheUserDefinedIsPreferred) {
  const auto model =
      unigram({{"?", 0, Type::kUnknown}, {"a", -1}, {"b", -1}, {"abc", -1}, {"ab", -9, Type::kUserDefined}});
  EXPECT_EQ(ids_of(model, "aab"), (TokenIds{1, 4}));
}

TEST(Unigram, RefusesDamagedVocabularies) {
  EXPECT_THROW(ScoredPieces({{"a", 0}}, 1, false, "test"), Error);
  EXPECT_THROW(ScoredPieces({{"\xFF", 0}}, 0, false, "test"), Error);
  EXPECT_THROW(ScoredPieces({{"a", std::numeric_limits<float>::quiet_NaN()}}, 0, false, "test"), Error);
  const Unigram without(ScoredPieces({{"a", -1}}, -1, false, "test"), kFloat);
  EXPECT_EQ(ids_of(without, "aa"), (TokenIds{0, 0}));
  EXPECT_THROW(ids_of(without, "ab"), Error);
}

/// The search over the whole text at once, as the reference writes it.
template <class Real>
TokenIds searched_whole(const std::vector<ScoredPiece>& pieces, std::string_view text) {
  std::unordered_map<std::string_view, uint32_t> ids;
  Real least = 0;
  for (uint32_t id = 1; id < pieces.size(); ++id)
    ids[pieces[id].text] = id, least = std::min(least, static_cast<Real>(pieces[id].score));
  struct Best {
    Real score = 0;
    int begin = -1;
    uint32_t id = 0;
  };
  std::vector<Best> best(text.size() + 1);
  for (std::size_t begin = 0; begin < text.size(); ++begin) {
    Real so_far = best[begin].score;
    if (std::is_same_v<Real, float> && std::abs(so_far) > 100000) {
      for (std::size_t i = begin; i <= text.size(); ++i) best[i].score -= so_far;
      so_far = 0;
    }
    bool covered = false;
    for (std::size_t n = 1; n <= 6 && begin + n <= text.size(); ++n) {
      const auto known = ids.find(text.substr(begin, n));
      if (known == ids.end() && (n > 1 || covered)) continue;
      covered |= n == 1 && known != ids.end();
      // The unknown comes last; here nothing else ends where it does and begins where it begins.
      const Real score = so_far + (known == ids.end() ? least - 10 : static_cast<Real>(pieces[known->second].score));
      auto& end = best[begin + n];
      if (end.begin < 0 || score > end.score)
        end = {score, static_cast<int>(begin), known == ids.end() ? 0 : known->second};
    }
  }
  TokenIds path;
  for (std::size_t end = text.size(); end > 0; end = static_cast<std::size_t>(best[end].begin))
    path.push_back(best[end].id);
  std::reverse(path.begin(), path.end());
  const auto both_unknown = [](uint32_t a, uint32_t b) { return a == 0 && b == 0; };
  path.erase(std::unique(path.begin(), path.end(), both_unknown), path.end());
  return path;
}

TEST(Unigram, ByWindowsGivesTheIdsOfTheWholeSearch) {
  std::mt19937 random(1);
  for (int round = 0; round < 40; ++round) {
    std::vector<ScoredPiece> pieces{{"?", 0, Type::kUnknown}};
    std::unordered_map<std::string, int> seen;
    for (int i = 0; i < 30; ++i) {
      std::string text(1 + random() % 6, '\0');
      for (char& c : text) c = static_cast<char>('a' + random() % 3);
      // Few scores, so that there are many ties; some so large that counting starts again.
      const float score =
          round % 4 == 0 ? -3000.0f - static_cast<float>(random() % 3) : -1.1f * static_cast<float>(1 + random() % 4);
      if (seen[text]++ == 0) pieces.push_back({text, score});
    }
    const auto model = unigram(pieces), precise = unigram(pieces, Unigram::Sum::kDouble);
    for (int i = 0; i < 20; ++i) {
      std::string text(random() % 500, '\0');
      for (char& c : text) c = static_cast<char>('a' + random() % (random() % 50 == 0 ? 4 : 3));
      ASSERT_EQ(ids_of(model, text), searched_whole<float>(pieces, text)) << text;
      ASSERT_EQ(ids_of(precise, text), searched_whole<double>(pieces, text)) << text;
    }
  }
}

TEST(Unigram, AMillionOfOneLetterTakesLinearTime) {
  std::vector<ScoredPiece> pieces{{"?", 0, Type::kUnknown}};
  for (std::size_t n = 1; n <= 16; ++n) pieces.push_back({std::string(n, 'a'), -static_cast<double>(n)});
  EXPECT_FALSE(ids_of(unigram(pieces), std::string(1000000, 'a')).empty());
}

}  // namespace
}  // namespace bessemer::data
