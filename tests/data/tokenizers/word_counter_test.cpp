#include "data/tokenizers/word_counter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "tests/data/folder.h"

namespace bessemer::data {
namespace {

/// A piece is a blank, or none, and what follows up to the next; "-" alone is not kept; "!" is an error.
class BlankSplitter final : public Splitter {
 public:
  void split(std::string_view text, std::vector<uint32_t>& ends) const override {
    if (text.find('!') != std::string_view::npos) fail(ExitCode::kBadData, "no '!' here");
    for (std::size_t i = 1; i < text.size(); ++i)
      if (text[i] == ' ') ends.push_back(static_cast<uint32_t>(i));
    if (!text.empty()) ends.push_back(static_cast<uint32_t>(text.size()));
  }
  bool keep(std::string_view piece) const override { return piece != " -"; }
  std::size_t safe_cut(std::string_view text) const override {
    const auto at = text.rfind(' ');
    return at == std::string_view::npos ? 0 : at;
  }
};

class WordCounterTest : public FolderTest {
 protected:
  using Counts = std::vector<std::pair<std::string, uint64_t>>;
  Counts count(const std::vector<std::string>& documents, int threads, uint64_t memory, uint64_t* spilled = nullptr) {
    const BlankSplitter splitter;
    WordCounter counter(splitter, {.memory = memory, .folder = folder(), .threads = threads});
    for (const auto& document : documents) counter.add(document);
    Counts counts;
    counter.finish([&](std::string_view word, uint64_t n) { counts.emplace_back(word, n); });
    if (spilled != nullptr) *spilled = counter.spilled();
    return counts;
  }
};

/// Documents of some MB in all, with many different words.
std::vector<std::string> documents() {
  std::vector<std::string> all;
  uint64_t state = 1;
  for (int i = 0; i < 200; ++i) {
    std::string text;
    for (int j = 0; j < 3000; ++j) {
      state = state * 6364136223846793005ull + 1442695040888963407ull;
      text += " w" + std::to_string((state >> 40) % (1 + j * 20));
    }
    all.push_back(text);
  }
  return all;
}

TEST_F(WordCounterTest, CountsPiecesInTheOrderOfTheirBytes) {
  EXPECT_EQ(count({"b a b", "\xC3\xA9 - b", "", "b"}, 1, 1 << 20),
            (Counts{{" a", 1}, {" b", 2}, {"b", 2}, {"\xC3\xA9", 1}}));
}

TEST_F(WordCounterTest, NothingGivesNothing) {
  EXPECT_TRUE(count({}, 2, 1 << 20).empty());
  EXPECT_TRUE(count({"", ""}, 2, 1 << 20).empty());
}

TEST_F(WordCounterTest, NeitherThreadsNorSpillingChangeTheCounts) {
  const auto texts = documents();
  std::map<std::string, uint64_t> want;
  const BlankSplitter splitter;
  for (const auto& text : texts) {
    std::vector<uint32_t> ends;
    splitter.split(text, ends);
    uint32_t from = 0;
    for (const uint32_t to : ends) ++want[text.substr(from, to - from)], from = to;
  }
  for (const int threads : {1, 2, 5}) {
    for (const uint64_t memory : {uint64_t{1} << 20, uint64_t{1} << 30}) {
      uint64_t spilled = 0;
      EXPECT_EQ(count(texts, threads, memory, &spilled), Counts(want.begin(), want.end())) << threads << " " << memory;
      EXPECT_EQ(spilled > 0, memory == 1 << 20) << threads;
    }
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder())) << "temporary files have no name";
}

TEST_F(WordCounterTest, ADocumentInPartsIsCountedAsAWhole) {
  std::string text;
  for (int i = 0; i < 300000; ++i) text += " é" + std::to_string(i % 1000);
  const auto want = count({text}, 1, 1 << 28);
  const BlankSplitter splitter;
  for (const std::size_t part : {3ul, 1000ul, 1ul << 21}) {
    WordCounter counter(splitter, {.memory = 1 << 28, .folder = folder(), .threads = 2});
    for (std::size_t at = 0; at < text.size();) {
      std::size_t n = std::min(part, text.size() - at);
      while (at + n < text.size() && (text[at + n] & 0xC0) == 0x80) ++n;  // between characters
      counter.add(std::string_view(text).substr(at, n), false);
      at += n;
    }
    const WordCounts words = counter.collect(1 << 28);
    Counts got;
    for (std::size_t i = 0; i < words.size(); ++i) got.emplace_back(words.word(i), words.count(i));
    EXPECT_EQ(got, want) << part;
  }
}

TEST_F(WordCounterTest, AWordLargerThanTheMemory) {
  const std::string large(3 << 20, 'x');
  EXPECT_EQ(count({large, "a", large, "b"}, 1, 1 << 20), (Counts{{"a", 1}, {"b", 1}, {large, 2}}));
}

TEST_F(WordCounterTest, ErrorsOfThreadsReachTheCaller) {
  EXPECT_THAT(refusal([&] { count({"a", "!"}, 2, 1 << 20); }), testing::HasSubstr("no '!' here"));
  EXPECT_THAT(refusal([&] { count(std::vector<std::string>(100, std::string(1 << 20, '!')), 2, 1 << 20); }),
              testing::HasSubstr("no '!' here"));
}

TEST_F(WordCounterTest, AFolderThatIsMissingIsAnErrorOfTheMachine) {
  const BlankSplitter splitter;
  const auto texts = documents();
  const auto act = [&] {
    WordCounter counter(splitter, {.memory = 1 << 20, .folder = at("none"), .threads = 1});
    for (const auto& text : texts) counter.add(text);
    counter.collect(1 << 30);
  };
  EXPECT_THAT(refusal(act, ExitCode::kEnvironment), testing::HasSubstr("no temporary file can be made"));
}

TEST_F(WordCounterTest, MoreWordsThanTheMemoryHoldsAreRefused) {
  const BlankSplitter splitter;
  WordCounter counter(splitter, {.memory = 1 << 20, .folder = folder(), .threads = 1});
  for (const auto& text : documents()) counter.add(text);
  EXPECT_THAT(refusal([&] { counter.collect(10000); }), testing::HasSubstr("different words"));
}

}  // namespace
}  // namespace bessemer::data
