#include "data/mixture.h"

#include <gmock/gmock.h>

#include "tests/data/folder.h"

namespace bessemer::data {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

class MixtureTest : public FolderTest {
 protected:
  std::string source(const std::string& name, std::size_t tokens, char id, char tokenizer = 'b',
                     const std::string& split = "train") const {
    std::filesystem::create_directories(at(name));
    auto facts = facts_for(1000, 0, 1, split);
    facts.dataset_id = std::string(32, id), facts.tokenizer_sha256 = std::string(64, tokenizer);
    TokenShardWriter writer(at(name) + "/" + shard_name(split, 0, 1), facts);
    writer.append(ids_of(tokens, 1000));
    writer.finish();
    return at(name);
  }
  static std::vector<std::string> names(const std::vector<Source>& sources) {
    std::vector<std::string> all;
    for (const auto& one : sources) all.push_back(one.name);
    return all;
  }
};

TEST_F(MixtureTest, NamesSourcesAndTheirValidationSets) {
  DataOptions options;
  options.blend = {{source("web", 400, 'w'), 0}, {source("code", 100, 'c'), 0}};
  source("code", 50, 'c', 'b', "val");
  const auto mixture = Mixture::open(options, 10, true);
  EXPECT_THAT(names(mixture.train), ElementsAre("web", "code"));
  EXPECT_THAT(names(mixture.validation), ElementsAre("code"));
  EXPECT_EQ(mixture.train[0].share, 4 * mixture.train[1].share) << "by their sizes";
  EXPECT_EQ(mixture.tokens(), 500);
  EXPECT_EQ(mixture.rows(), 39 + 9);
  EXPECT_TRUE(Mixture::open(options, 10, false).validation.empty());
  options.validation = {{"held out", at("code")}};
  EXPECT_THAT(names(Mixture::open(options, 10, true).validation), ElementsAre("held out"));
  options.blend.push_back({source("other/web", 100, 'o'), 0});
  EXPECT_THAT(names(Mixture::open(options, 10, false).train), ElementsAre(at("web"), at("code"), at("other/web")));
}

TEST_F(MixtureTest, RefusesWhatCannotBeBlended) {
  DataOptions options;
  options.blend = {{source("web", 400, 'w'), 1}, {source("code", 100, 'c', 'x'), 1}};
  EXPECT_THAT(refusal([&] { Mixture::open(options, 10, false); }),
              AllOf(HasSubstr("code: its tokens are of another tokenizer"), HasSubstr("those of web")));
  options.blend[1].path = source("again", 400, 'w');
  EXPECT_THAT(refusal([&] { Mixture::open(options, 10, false); }), HasSubstr("again and web hold the same tokens"));
  options.blend.pop_back();
  options.validation = {{"held out", at("web")}};
  EXPECT_THAT(refusal([&] { Mixture::open(options, 10, true); }), HasSubstr("'val'"));
  options.blend[0].path = at("nowhere");
  EXPECT_THAT(refusal([&] { Mixture::open(options, 10, false); }), HasSubstr("nowhere"));
}

}  // namespace
}  // namespace bessemer::data
