#include "data/corpus.h"

#include <gmock/gmock.h>

#include "tests/data/folder.h"

namespace bessemer::data {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class CorpusTest : public FolderTest {
 protected:
  /// Shards of the given sizes that together hold `ids`.
  void shards(const std::vector<uint32_t>& ids, const std::vector<std::size_t>& sizes, uint32_t vocab = 1000) const {
    std::size_t begin = 0;
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      const auto facts = facts_for(vocab, static_cast<uint32_t>(i), static_cast<uint32_t>(sizes.size()));
      TokenShardWriter writer(at(shard_name("train", facts.index, facts.count)), facts);
      writer.append(std::span(ids).subspan(begin, sizes[i]));
      writer.finish();
      begin += sizes[i];
    }
  }
};

TEST_F(CorpusTest, EveryWindowEqualsThatOfAPlainArray) {
  const auto ids = ids_of(60000, 1000);
  shards(ids, {20000, 0, 1, 7, 16384, 23608});
  for (const int64_t s : {1, 7, 1024, 16384, 59999}) {
    const auto corpus = Corpus::open(folder(), "train", {s});
    EXPECT_EQ(corpus->tokens(), 60000);
    EXPECT_EQ(corpus->rows(), (60000 - 1) / s);
    std::vector<int64_t> window(static_cast<std::size_t>(s) + 1);
    for (int64_t w = 0; w < corpus->rows(); w += s == 1 ? 997 : 1) {
      corpus->read_row(w, {window, {}, {}});
      ASSERT_TRUE(std::equal(window.begin(), window.end(), ids.begin() + w * s)) << "s " << s << " window " << w;
    }
    EXPECT_THROW(corpus->read_row(corpus->rows(), {window, {}, {}}), Error);
    EXPECT_THROW(corpus->read_row(-1, {window, {}, {}}), Error);
  }
}

TEST_F(CorpusTest, KnowsItsVocabularyTokenizerAndBuild) {
  shards(ids_of(100, 65), {100}, 65);
  const auto corpus = Corpus::open(folder(), "train", {10});
  EXPECT_EQ(corpus->vocab_size(), 65);
  EXPECT_EQ(corpus->sequence(), 10);
  EXPECT_EQ(corpus->tokenizer_sha256(), std::string(64, 'b'));
  EXPECT_EQ(corpus->content_id(), std::string(32, 'a'));
}

TEST_F(CorpusTest, FewerTokensThanAWindowAreRefused) {
  shards(ids_of(10, 65), {10}, 65);
  EXPECT_EQ(Corpus::open(folder(), "train", {9})->rows(), 1);
  EXPECT_THAT(refusal([&] { Corpus::open(folder(), "train", {10}); }),
              AllOf(HasSubstr("has 10 tokens"), HasSubstr("= 11")));
  EXPECT_THAT(refusal([&] { Corpus::open(folder(), "val", {9}); }), HasSubstr("'val'"));
}

TEST_F(CorpusTest, ADamagedBlockIsNoticedWhenItIsReadAndAtEveryReadIfAsked) {
  shards(ids_of(40000, 1000), {40000});
  const auto once = Corpus::open(folder(), "train", {100});
  const auto always = Corpus::open(folder(), "train", {100, Mode::kStream, false, BlockCheck::kAll});
  std::vector<int64_t> window(101);
  once->read_row(3, {window, {}, {}}), always->read_row(3, {window, {}, {}});
  {
    const std::string path = at("train-00000-of-00001.h5");
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(Hdf5File(path).dataset("tokens").offset));
    file.put('\x7F');
  }
  EXPECT_NO_THROW(once->read_row(3, {window, {}, {}}));
  EXPECT_THAT(refusal([&] { always->read_row(3, {window, {}, {}}); }), HasSubstr("checksum"));
}

}  // namespace
}  // namespace bessemer::data
