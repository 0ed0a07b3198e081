#include "data/tokenizers/bpe_trainer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "data/tokenizers/byte_level.h"
#include "parallel/error.h"

namespace bessemer::data {
namespace {

using Words = std::vector<std::pair<std::string, uint64_t>>;
using Merges = std::vector<std::pair<std::string, std::string>>;

ByteLevelBpe train(const Words& words, BpeTrainerOptions options) {
  WordCounts counts;
  for (const auto& [word, count] : words) counts.add(word, count);
  return train_bpe(counts, options);
}

Merges merges_of(const ByteLevelBpe& bpe) {
  Merges merges;
  for (const auto& [left, right] : bpe.merges) merges.emplace_back(bpe.tokens[left], bpe.tokens[right]);
  return merges;
}

BpeTrainerOptions vocabulary(int64_t size) {
  BpeTrainerOptions options;
  options.vocab_size = size;
  return options;
}

/// Words of few letters, so that most pairs overlap and many merges give the same text.
Words words_of_few_letters(uint64_t seed, unsigned letters, unsigned longest) {
  const auto random = [&](uint64_t below) {
    seed = seed * 6364136223846793005ull + 1442695040888963407ull;
    return (seed >> 33) % below;
  };
  std::map<std::string, uint64_t> words;
  for (int i = 0; i < 40; ++i) {
    std::string word;
    for (uint64_t n = 1 + random(longest); n > 0; --n) word += static_cast<char>('a' + random(letters));
    words[word] = 1 + random(9);
  }
  return {words.begin(), words.end()};
}

/// The reference's rules with none of our bookkeeping: words as lists of texts, all looked through for each merge.
Merges plain_merges(const Words& words, std::size_t merges, std::map<std::string, uint32_t> ids) {
  using Pair = std::pair<std::string, std::string>;
  struct Queued {
    int64_t count;
    Pair pair;
    std::set<std::size_t> words;
  };
  std::vector<std::vector<std::string>> split;
  std::map<Pair, int64_t> counts;
  std::map<Pair, std::set<std::size_t>> fresh;
  std::vector<Queued> queue;
  std::vector<Pair> done;
  std::set<std::string> texts;
  for (const auto& [text, id] : ids) texts.insert(text);
  const auto enqueue = [&] {
    for (auto& [pair, where] : fresh)
      if (counts[pair] > 0) queue.push_back({counts[pair], pair, where});
    fresh.clear();
  };
  for (std::size_t w = 0; w < words.size(); ++w) {
    split.emplace_back();
    for (const char c : words[w].first) split[w].emplace_back(1, c);
    for (std::size_t i = 0; i + 1 < split[w].size(); ++i) {
      const Pair pair{split[w][i], split[w][i + 1]};
      counts[pair] += static_cast<int64_t>(words[w].second), fresh[pair].insert(w);
    }
  }
  enqueue();
  const auto key = [&](const Pair& pair) { return std::pair(ids.at(pair.first), ids.at(pair.second)); };
  while (texts.size() < merges && !queue.empty()) {
    const auto top = std::max_element(queue.begin(), queue.end(), [&](const Queued& a, const Queued& b) {
      return a.count != b.count ? a.count < b.count : key(a.pair) > key(b.pair);
    });
    if (top->count != counts[top->pair]) {
      top->count = counts[top->pair];
      continue;
    }
    if (top->count < 1) break;
    const Queued taken = *top;
    queue.erase(top);
    const auto& [a, b] = taken.pair;
    const std::string x = a + b;
    ids.try_emplace(x, ids.size());
    texts.insert(x);
    std::erase(done, taken.pair);
    done.push_back(taken.pair);
    for (const std::size_t w : taken.words) {
      auto& s = split[w];
      const auto n = static_cast<int64_t>(words[w].second);
      for (std::size_t i = 0; i + 1 < s.size(); ++i) {
        if (s[i] != a || s[i + 1] != b) continue;
        if (i > 0) counts[{s[i - 1], a}] -= n, counts[{s[i - 1], x}] += n, fresh[{s[i - 1], x}].insert(w);
        s[i] = x, s.erase(s.begin() + static_cast<std::ptrdiff_t>(i) + 1);
        if (i + 1 < s.size()) counts[{b, s[i + 1]}] -= n, counts[{x, s[i + 1]}] += n, fresh[{x, s[i + 1]}].insert(w);
      }
    }
    enqueue();
  }
  return done;
}

TEST(BpeTrainer, FirstIdsAreSpecialTokensThenBytesByTheirCharacter) {
  auto options = vocabulary(258);
  options.special_tokens = {"<|endoftext|>", "<|pad|>", "<|endoftext|>"};
  const auto bpe = train({}, options);
  ASSERT_EQ(bpe.tokens.size(), 258u);
  EXPECT_EQ(bpe.tokens[0], "<|endoftext|>");
  EXPECT_EQ(bpe.tokens[1], "<|pad|>");
  EXPECT_EQ(bpe.tokens[2], "!");
  EXPECT_EQ(bpe.tokens[2 + 94], "¡");        // 94 characters '!' to '~', then U+00A1
  EXPECT_EQ(bpe.tokens[2 + 188], "Ā");       // byte 0
  EXPECT_EQ(bpe.tokens[2 + 188 + 32], "Ġ");  // the blank
  EXPECT_EQ(bpe.special_tokens, (std::vector<std::string>{"<|endoftext|>", "<|pad|>"}));
  EXPECT_TRUE(bpe.merges.empty());
}

TEST(BpeTrainer, TheMostFrequentPairFirstOfEqualsTheSmallerIds) {
  EXPECT_EQ(merges_of(train({{"bc", 2}, {"ab", 2}, {"zz", 3}}, vocabulary(259))),
            (Merges{{"z", "z"}, {"a", "b"}, {"b", "c"}}));
}

TEST(BpeTrainer, WordsOfThePublicExample) {  // Sennrich et al. 2016, section 3.2
  const auto bpe = train({{"low", 5}, {"lower", 2}, {"newest", 6}, {"widest", 3}}, vocabulary(256 + 5));
  EXPECT_EQ(merges_of(bpe), (Merges{{"e", "s"}, {"es", "t"}, {"l", "o"}, {"lo", "w"}, {"e", "w"}}));
}

TEST(BpeTrainer, OverlappingPairsCountEachPlaceAndMergeFromTheLeft) {
  // "aaa" has the pair twice, and becomes "aa a"; so does "ab" in "abab" with two of "ba" between.
  EXPECT_EQ(merges_of(train({{"aaa", 3}, {"bc", 5}}, vocabulary(300))), (Merges{{"a", "a"}, {"b", "c"}, {"aa", "a"}}));
  EXPECT_EQ(merges_of(train({{"aaaaa", 1}}, vocabulary(300))), (Merges{{"a", "a"}, {"aa", "a"}, {"aa", "aaa"}}));
}

TEST(BpeTrainer, ATextThatIsThereAlreadyKeepsItsIdAndTakesNone) {
  auto options = vocabulary(258);
  options.special_tokens = {"ab"};
  const auto bpe = train({{"ab", 5}, {"cd", 3}, {"ef", 1}}, options);
  EXPECT_EQ(merges_of(bpe), (Merges{{"a", "b"}, {"c", "d"}}));
  EXPECT_EQ(bpe.tokens.size(), 258u);
}

TEST(BpeTrainer, ASpecialTokenThatIsAByteIsThatByte) {
  auto options = vocabulary(258);
  options.special_tokens = {"b"};
  const auto bpe = train({{"ab", 2}, {"bb", 2}, {"aa", 2}}, options);
  EXPECT_EQ(merges_of(bpe), (Merges{{"b", "b"}, {"a", "b"}})) << "b has id 0, before a";
}

TEST(BpeTrainer, StopsAtTheVocabularyOrTheLeastFrequency) {
  const Words words = {{"ab", 9}, {"cd", 5}, {"ef", 2}};
  EXPECT_EQ(train(words, vocabulary(257)).merges.size(), 1u);
  EXPECT_EQ(train(words, vocabulary(256)).merges.size(), 0u);
  EXPECT_EQ(train(words, vocabulary(1000)).tokens.size(), 259u);
  auto options = vocabulary(1000);
  options.min_frequency = 5;
  EXPECT_EQ(train(words, options).merges.size(), 2u);
}

TEST(BpeTrainer, MergedTokensAreShorterThanTheLongest) {
  auto options = vocabulary(1000);
  options.max_token_length = 4;
  const auto bpe = train({{"abcdefgh", 3}}, options);
  EXPECT_EQ(merges_of(bpe), (Merges{{"a", "b"}, {"c", "d"}, {"e", "f"}, {"g", "h"}}));
}

TEST(BpeTrainer, EqualsTheRulesWrittenPlainly) {
  auto ids = std::map<std::string, uint32_t>{};
  const auto bytes = train({}, vocabulary(256)).tokens;
  for (uint32_t id = 0; id < bytes.size(); ++id) ids[bytes[id]] = id;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    const Words words = words_of_few_letters(seed, 1 + seed % 4, 3 + seed % 40);
    const std::size_t size = 256 + 20 + seed;
    EXPECT_EQ(merges_of(train(words, vocabulary(static_cast<int64_t>(size)))), plain_merges(words, size, ids)) << seed;
  }
}

TEST(BpeTrainer, DependsOnNeitherThreadsNorTheOrderOfWords) {
  for (uint64_t seed = 0; seed < 30; ++seed) {
    Words words = words_of_few_letters(seed, 3, 30);
    const auto want = train(words, vocabulary(400));
    auto options = vocabulary(400);
    options.threads = 1 + static_cast<int>(seed % 5);
    std::rotate(words.begin(), words.begin() + static_cast<std::ptrdiff_t>(seed % words.size()), words.end());
    const auto got = train(words, options);
    EXPECT_EQ(got.tokens, want.tokens);
    EXPECT_EQ(got.merges, want.merges);
  }
}

TEST(BpeTrainer, CountsBeyond32Bits) {
  EXPECT_EQ(merges_of(train({{"ab", 1ull << 33}, {"cd", (1ull << 33) + 1}, {"ef", 7}}, vocabulary(300))),
            (Merges{{"c", "d"}, {"a", "b"}, {"e", "f"}}));
}

std::string refusal(const Words& words, const BpeTrainerOptions& options, ExitCode code) {
  try {
    train(words, options);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code);
    return error.what();
  }
  return "";
}

TEST(BpeTrainer, RefusesInWords) {
  auto options = vocabulary(256);
  options.special_tokens = {"<|endoftext|>"};
  EXPECT_THAT(refusal({}, options, ExitCode::kUsage), testing::HasSubstr("need 257; choose at least that"));
  options = vocabulary(300);
  options.special_tokens = {""};
  EXPECT_THAT(refusal({}, options, ExitCode::kUsage), testing::HasSubstr("special token is empty"));
  EXPECT_THAT(refusal({{"ab", 1ull << 62}}, vocabulary(300), ExitCode::kBadData), testing::HasSubstr("2^60"));
  EXPECT_THAT(refusal({{"abcd", ~0ull}}, vocabulary(300), ExitCode::kBadData), testing::HasSubstr("2^60"));
}

TEST(ByteLevel, CharactersAndBytesAreOneToOne) {
  std::set<uint32_t> codes;
  for (int byte = 0; byte < 256; ++byte) {
    const uint32_t code = byte_to_char(static_cast<uint8_t>(byte));
    EXPECT_EQ(char_to_byte(code), byte);
    codes.insert(code);
  }
  EXPECT_EQ(codes.size(), 256u);
  int characters = 0;
  for (uint32_t code = 0; code < 0x20000; ++code) characters += char_to_byte(code) >= 0;
  EXPECT_EQ(characters, 256);
  EXPECT_EQ(bytes_to_chars(" a\n\xC3\xA9"), "ĠaĊÃ©");
}

}  // namespace
}  // namespace bessemer::data
