#include "data/shard_set.h"

#include <gmock/gmock.h>

#include "tests/data/folder.h"

namespace bessemer::data {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class ShardSet : public FolderTest {
 protected:
  void shard(uint32_t index, uint32_t count, const std::string& id = "x", const std::string& split = "train") const {
    auto facts = facts_for(256, index, count, split);
    facts.dataset_id = id;
    TokenShardWriter writer(at(shard_name(split, index, count)), facts);
    writer.append(ids_of(10, 256));
    writer.finish();
  }
  std::string refused(const std::string& split = "train") const {
    return refusal([&] { open_shards(folder(), split); });
  }
};

TEST_F(ShardSet, OpensAllShardsOfASplitInOrder) {
  shard(1, 2), shard(0, 2), shard(0, 1, "x", "val");
  write("train-00000-of-00002.h5.tmp", "unfinished");
  write("notes.txt", "mine");
  EXPECT_THAT(splits_of(folder()), testing::ElementsAre("train", "val"));
  const auto shards = open_shards(folder(), "train");
  ASSERT_EQ(shards.size(), 2u);
  EXPECT_EQ(shards[1].facts().index, 1u);
}

TEST_F(ShardSet, AnIncompleteOrMixedSetIsRefusedByName) {
  EXPECT_THAT(refused(), AllOf(HasSubstr("no shards of split 'train'"), HasSubstr("none")));
  shard(0, 2);
  EXPECT_THAT(refused(), HasSubstr("train-00001-of-00002.h5 is missing"));
  EXPECT_THAT(refused("val"), HasSubstr("splits found: train"));
  shard(1, 2, "another");
  EXPECT_THAT(refused(), AllOf(HasSubstr("dataset_id is 'another'"), HasSubstr("'x' in ")));
  shard(0, 3);
  EXPECT_THAT(refused(), HasSubstr("two builds"));
  EXPECT_THAT(refusal([&] { open_shards(at("absent"), "train"); }), HasSubstr("absent"));
}

TEST_F(ShardSet, ARenamedShardIsRefused) {
  shard(0, 1);
  std::filesystem::rename(at("train-00000-of-00001.h5"), at("val-00000-of-00001.h5"));
  EXPECT_THAT(refused("val"), HasSubstr("renamed"));
}

}  // namespace
}  // namespace bessemer::data
