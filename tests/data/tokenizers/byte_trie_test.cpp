#include "data/tokenizers/byte_trie.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>

namespace bessemer::data {
namespace {

TEST(ByteTrie, FindsTheLongestTextAtTheFront) {
  const ByteTrie trie({{"a", 1}, {"ab", 2}, {"abcd", 3}, {"b", 4}, {"", 5}});
  EXPECT_EQ(trie.longest("abcx").length, 2u);
  EXPECT_EQ(trie.longest("abcd").id, 3u);
  EXPECT_EQ(trie.longest("abcd", 1).id, 1u);
  EXPECT_EQ(trie.longest("xab").length, 0u);
  EXPECT_EQ(trie.longest("").length, 0u);
  EXPECT_EQ(trie.whole("ab").id, 2u);
  EXPECT_EQ(trie.whole("abc").id, ByteTrie::kNone);
  EXPECT_TRUE(trie.begins('b'));
  EXPECT_FALSE(trie.begins('c'));
}

TEST(ByteTrie, WithoutTextsFindsNothing) {
  EXPECT_TRUE(ByteTrie().empty());
  for (int byte = 0; byte < 256; ++byte) EXPECT_FALSE(ByteTrie().begins(static_cast<char>(byte)));
}

TEST(ByteTrie, OfEqualTextsTheLastStays) { EXPECT_EQ(ByteTrie({{"x", 1}, {"x", 2}}).whole("x").id, 2u); }

TEST(ByteTrie, KnowsItsTextsAndNoOthers) {
  std::mt19937 random(1);
  for (const unsigned bytes : {2u, 5u, 256u}) {
    std::map<std::string, uint32_t> texts;
    for (uint32_t id = 0; id < 20000; ++id) {
      std::string text(1 + random() % 8, '\0');
      for (char& c : text) c = static_cast<char>(random() % bytes);
      texts.emplace(text, id);
    }
    std::vector<ByteTrie::Entry> entries;
    for (const auto& [text, id] : texts) entries.push_back({text, id});
    const ByteTrie trie(entries);
    for (const auto& [text, id] : texts) ASSERT_EQ(trie.whole(text).id, id);
    for (int i = 0; i < 20000; ++i) {
      std::string text(1 + random() % 8, '\0');
      for (char& c : text) c = static_cast<char>(random() % bytes);
      const auto known = texts.find(text);
      ASSERT_EQ(trie.whole(text).id, known == texts.end() ? ByteTrie::kNone : known->second);
    }
  }
}

TEST(ByteTrie, HoldsLongTexts) {
  const std::string a(100000, 'a'), b = a + 'b';
  const ByteTrie trie({{a, 1}, {b, 2}});
  EXPECT_EQ(trie.longest(a + "c").length, a.size());
  EXPECT_EQ(trie.longest(b).id, 2u);
}

}  // namespace
}  // namespace bessemer::data
