#include "data/tokenizers/bpe.h"

#include <gmock/gmock.h>

#include "parallel/error.h"

namespace bessemer::data {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TokenIds encoded(const Bpe& bpe, std::string_view piece) {
  Scratch scratch;
  TokenIds ids;
  bpe.encode(piece, scratch, ids);
  return ids;
}

Bpe::Options letters(const std::string& all) {
  Bpe::Options options;
  options.name = "test";
  for (const char c : all) options.tokens.emplace_back(1, c);
  return options;
}

void merge(Bpe::Options& options, const std::string& left, const std::string& right) {
  const auto id = [&](const std::string& token) {
    return static_cast<uint32_t>(std::find(options.tokens.begin(), options.tokens.end(), token) -
                                 options.tokens.begin());
  };
  options.merges.emplace_back(id(left), id(right));
  options.tokens.push_back(left + right);
}

TEST(Bpe, TheLowestRankGoesFirstThenTheLeftmost) {
  auto options = letters("abc");  // 0 1 2
  merge(options, "b", "c");       // 3
  merge(options, "a", "b");       // 4
  merge(options, "a", "a");       // 5
  merge(options, "aa", "bc");     // 6
  const Bpe bpe(options);
  EXPECT_THAT(encoded(bpe, "abc"), ElementsAre(0, 3));
  EXPECT_THAT(encoded(bpe, "ab"), ElementsAre(4));
  EXPECT_THAT(encoded(bpe, "aaa"), ElementsAre(5, 0));
  EXPECT_THAT(encoded(bpe, "aabc"), ElementsAre(6));
  EXPECT_THAT(encoded(bpe, ""), ElementsAre());
}

/// The definition: look for the best pair of all, again and again.
TokenIds plainly(const Bpe::Options& options, std::string_view piece) {
  std::vector<std::string> parts;
  for (const char c : piece) parts.emplace_back(1, c);
  for (;;) {
    std::size_t best = parts.size(), rank = options.merges.size();
    for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
      for (std::size_t r = 0; r < rank; ++r) {
        const auto [left, right] = options.merges[r];
        if (options.tokens[left] == parts[i] && options.tokens[right] == parts[i + 1]) rank = r, best = i;
      }
    }
    if (best == parts.size()) break;
    parts[best] += parts[best + 1];
    parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(best) + 1);
  }
  TokenIds ids;
  for (const auto& part : parts)
    ids.push_back(
        static_cast<uint32_t>(std::find(options.tokens.begin(), options.tokens.end(), part) - options.tokens.begin()));
  return ids;
}

TEST(Bpe, ShortAndLongWordsFollowTheDefinition) {
  auto options = letters("abcd");
  for (const auto& [left, right] : std::vector<std::pair<std::string, std::string>>{{"a", "b"},
                                                                                    {"ab", "ab"},
                                                                                    {"c", "a"},
                                                                                    {"d", "d"},
                                                                                    {"ca", "b"},
                                                                                    {"abab", "c"},
                                                                                    {"b", "b"},
                                                                                    {"dd", "a"},
                                                                                    {"bb", "dd"}})
    merge(options, left, right);
  const Bpe bpe(options);
  uint64_t state = 3;
  for (const std::size_t length : {1, 2, 5, 31, 32, 33, 34, 100, 1000}) {
    for (int round = 0; round < (length > 100 ? 3 : 100); ++round) {
      std::string word;
      for (std::size_t i = 0; i < length; ++i) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        word += "abcd"[state >> 62];
      }
      ASSERT_EQ(encoded(bpe, word), plainly(options, word)) << word;
    }
  }
}

TEST(Bpe, AWholeTokenNeedsNoMergesWhereTheFileSaysSo) {
  auto options = letters("abc");
  options.tokens.push_back("abc");  // no merge makes it
  EXPECT_THAT(encoded(Bpe(options), "abc"), ElementsAre(0, 1, 2));
  options.ignore_merges = true;
  EXPECT_THAT(encoded(Bpe(options), "abc"), ElementsAre(3));
}

TEST(Bpe, UnknownCharactersBecomeBytesOrOneUnk) {
  Bpe::Options options;
  options.tokens = {"<unk>", "a", "b"};
  options.bytes = false, options.unk = 0;
  EXPECT_THAT(encoded(Bpe(options), "aééb"), ElementsAre(1, 0, 0, 2));
  options.fuse_unk = true;
  EXPECT_THAT(encoded(Bpe(options), "aééb"), ElementsAre(1, 0, 2));
  options.tokens.insert(options.tokens.end(), {"<0xC3>", "<0xA9>"});
  options.byte_fallback = true;
  EXPECT_THAT(encoded(Bpe(options), "é"), ElementsAre(3, 4));
  options.unk = -1, options.byte_fallback = false;
  EXPECT_THAT(encoded(Bpe(options), "éa"), ElementsAre(1));
}

TEST(Bpe, DamagedTablesAreRefusedByName) {
  const auto refusal = [](const Bpe::Options& options) -> std::string {
    try {
      Bpe bpe(options);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  auto twice = letters("aa");
  EXPECT_THAT(refusal(twice), testing::AllOf(HasSubstr("test"), HasSubstr("ids 0 and 1")));
  auto beyond = letters("ab");
  beyond.merges.emplace_back(0, 7);
  EXPECT_THAT(refusal(beyond), HasSubstr("merge 1"));
  auto nothing = letters("ab");
  nothing.merges.emplace_back(0, 1);
  EXPECT_THAT(refusal(nothing), HasSubstr("makes 'ab'"));
}

}  // namespace
}  // namespace bessemer::data
