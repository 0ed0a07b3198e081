// Conversations on their way to shards: the loss mask stays with its tokens through units, workers, ranks and cuts.
#include "data/deal.h"

#include <gmock/gmock.h>

#include <barrier>
#include <map>
#include <nlohmann/json.hpp>
#include <thread>

#include "data/build.h"
#include "data/shard_set.h"
#include "tests/data/folder.h"

namespace bessemer::data {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class DealChats : public FolderTest {
 protected:
  /// Questions in lower case, answers in upper case; some lines are bad, some are twins.
  static std::string lines(int count) {
    std::string text;
    for (int i = 0; i < count; ++i) {
      if (i % 1000 == 7)
        text += R"({"messages": []})"
                "\n";
      const auto letters = [&](char first, int n) {
        return std::string(static_cast<std::size_t>(n), static_cast<char>(first + i % 23));
      };
      const nlohmann::json pair{{"prompt", letters('a', i % 19)}, {"completion", letters('A', 1 + i % 7)}},
          chat{{"messages",
                {{{"role", "user"}, {"content", letters('a', i % 11)}},
                 {{"role", "assistant"}, {"content", letters('A', 1 + i % 5)}},
                 {{"role", "user"}, {"content", letters('b', 3)}},
                 {{"role", "assistant"}, {"content", letters('B', 1 + i % 13)}}}}};
      text += (i % 2 ? pair : chat).dump() + "\n";
    }
    return text;
  }
  std::map<std::string, std::string> contents(const std::string& out) const {
    std::map<std::string, std::string> all;
    for (const auto& entry : std::filesystem::directory_iterator(at(out))) {
      if (entry.path().extension() == ".h5") all[entry.path().filename()] = bytes_of(entry.path());
    }
    return all;
  }
  static void build_it(const BuildOptions& options) {
    build(options, [](const BuildProgress&) { return true; });
  }
};

TEST_F(DealChats, MasksFollowTheirTokensWhoeverDoesTheWork) {
  BuildOptions options{{write("a.jsonl", lines(4000)), write("b.jsonl", lines(3001))}, at("one"), "bytes", 0.2, 10'001};
  options.chat = ChatTemplate::kPlain, options.unit_bytes = 1 << 17, options.max_rejects = 100;
  options.drop_duplicates = true, options.split_by = SplitBy::kHash;
  const auto made = build(options, [](const BuildProgress&) { return true; });
  EXPECT_EQ(made.rejected, 7u);
  EXPECT_GT(made.duplicates, 100u);
  uint64_t tokens = 0, counted = 0;
  for (const auto& split : splits_of(at("one"))) {
    for (const auto& shard : open_shards(at("one"), split)) {
      shard.verify();
      EXPECT_TRUE(shard.facts().loss_mask);
      EXPECT_EQ(shard.facts().eod_id, -1);
      std::vector<int64_t> ids(shard.facts().tokens);
      std::vector<uint8_t> mask(ids.size());
      shard.read(0, ids), shard.loss_mask(0, mask);
      for (std::size_t i = 0; i < ids.size(); ++i)
        ASSERT_EQ(mask[i] != 0, ids[i] >= 'A' && ids[i] <= 'Z') << shard.path() << " token " << i;
      tokens += ids.size(), counted += shard.facts().loss_tokens;
    }
  }
  EXPECT_GT(tokens, 10'001u) << "several shards";
  EXPECT_EQ(counted, made.loss_tokens);
  const auto want = contents("one");

  options.out = at("four"), options.workers = 4;
  build_it(options);
  EXPECT_TRUE(contents("four") == want);

  options.out = at("ranks"), options.workers = 1;
  std::barrier meeting(2);
  std::vector<std::jthread> ranks;
  for (int rank = 0; rank < 2; ++rank)
    ranks.emplace_back([&, rank] {
      build(options, [](const BuildProgress&) { return true; }, {rank, 2, [&] { meeting.arrive_and_wait(); }});
    });
  ranks.clear();
  EXPECT_TRUE(contents("ranks") == want);

  options.out = at("killed");
  EXPECT_THROW(build(options, [](const BuildProgress& now) { return std::string(now.phase) != "writing"; }), Error);
  const std::string masks = at(".killed.building/units/00000001.masks");
  ASSERT_TRUE(std::filesystem::exists(masks));
  write(".killed.building/units/00000001.masks", std::string(std::filesystem::file_size(masks), '\1'));
  const auto again = build(options, [](const BuildProgress&) { return true; });
  EXPECT_GT(again.resumed_units, 1u);
  EXPECT_TRUE(contents("killed") == want) << "a mask that is damaged is made anew";
}

TEST_F(DealChats, UnderTailAnAnswerThatIsCutKeepsItsMask) {
  BuildOptions options{{write("a.jsonl", R"({"prompt": "ab", "completion": "CDEF"})")}, at("out"), "bytes", 0.5};
  options.chat = ChatTemplate::kPlain;
  build_it(options);
  std::vector<uint8_t> train(3), val(3);
  open_shards(at("out"), "train").at(0).loss_mask(0, train);
  open_shards(at("out"), "val").at(0).loss_mask(0, val);
  EXPECT_THAT(train, testing::ElementsAre(0, 0, 1));
  EXPECT_THAT(val, testing::ElementsAre(1, 1, 1));
}

TEST_F(DealChats, TextsAndConversationsAreToldApart) {
  BuildOptions options{{write("a.txt", "text")}, at("out"), "bytes"};
  options.chat = ChatTemplate::kPlain;
  EXPECT_THAT(refusal([&] { build_it(options); }), AllOf(HasSubstr("a.txt"), HasSubstr("data.blend")));
  options.inputs = {write("a.jsonl", lines(3))}, options.chat = ChatTemplate::kNone;
  EXPECT_THAT(refusal([&] { build_it(options); }), AllOf(HasSubstr("a.jsonl:1"), HasSubstr("--template")));
  options.chat = ChatTemplate::kPlain, options.sentences = true;
  EXPECT_THAT(refusal([&] { build_it(options); }, ExitCode::kUsage), HasSubstr("--sentences"));
  options.sentences = false, options.tokenizer = "chars";
  build_it(options);
  EXPECT_EQ(open_shards(at("out"), "train").at(0).facts().tokenizer_kind, "chars");
}

}  // namespace
}  // namespace bessemer::data
