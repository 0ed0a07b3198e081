#include <gmock/gmock.h>

#include "tests/data/neighbours/bytes.h"
#include "tests/support/paths.h"

namespace bessemer::data {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

std::string golden(const std::string& name) { return tests::kSourceDir + "/tests/data/neighbours/golden/" + name; }

class Formats : public FolderTest {};

TEST_F(Formats, AreFoundByWhatTheFilesHold) {
  write("m.bin", ""), write("m.idx", ""), write("mds/index.json", "{}");
  for (const auto& [source, name] :
       std::map<std::string, std::string>{{at("m.bin"), "megatron"},
                                          {at("m.idx"), "megatron"},
                                          {at("m"), "megatron"},
                                          {write("l.bin", little({20240801, 7}, 4)), "llmc"},
                                          {at("mds"), "mds"},
                                          {golden("flat.npy"), "npy"},
                                          {golden("nvidia_bert.h5"), "nvidia-bert"},
                                          {golden("cerebras_vsl.h5"), "cerebras"}})
    EXPECT_STREQ(detect_neighbour(source).name, name.c_str()) << source;
}

TEST_F(Formats, AreListedWhereNothingTellsThem) {
  TokenShardWriter writer(at("train-00000-of-00001.h5"), facts_for(256));
  writer.finish();
  for (const auto& source : {write("a.bin", little({1, 2, 3}, 2)), write("b.bin", ""), folder(), at("none"),
                             write("c.h5", "\x89HDF\r\n\x1a\n damaged"), at("train-00000-of-00001.h5")}) {
    const std::string message = refusal([&] { detect_neighbour(source); }, ExitCode::kUsage);
    for (const auto& format : neighbour_formats()) EXPECT_THAT(message, HasSubstr(concat(format.name, " ("))) << source;
  }
}

TEST_F(Formats, HaveNames) {
  for (const auto& format : neighbour_formats()) EXPECT_STREQ(neighbour_format(format.name).name, format.name);
  EXPECT_THAT(refusal([] { neighbour_format("megatorn"); }, ExitCode::kUsage),
              AllOf(HasSubstr("did you mean megatron?"), HasSubstr("cerebras (")));
}

TEST_F(Formats, SourcesAreSortedWithinAPatternOrDirectory) {
  for (const char* name : {"d/b.bin", "d/a.bin", "d/a.idx", "d/.hidden", "d/sub/c.bin", "e/index.json", "e/s.mds"})
    write(name, "x");
  EXPECT_THAT(find_neighbour_sources({at("d")}), ElementsAre(at("d/a.bin"), at("d/b.bin")));
  EXPECT_THAT(find_neighbour_sources({at("d/[ab].*")}), ElementsAre(at("d/a.bin"), at("d/b.bin")));
  EXPECT_THAT(find_neighbour_sources({at("d/b.bin"), at("d/a.idx"), at("d/a")}),
              ElementsAre(at("d/b.bin"), at("d/a.idx"), at("d/a")));
  EXPECT_THAT(find_neighbour_sources({at("e")}), ElementsAre(at("e")));
  EXPECT_THAT(find_neighbour_sources({at("e/index.json")}), ElementsAre(at("e")));
  EXPECT_THAT(find_neighbour_sources({at("?")}), ElementsAre(at("d/a.bin"), at("d/b.bin"), at("e")));
}

TEST_F(Formats, SourcesThatAreNotThereAreNamed) {
  EXPECT_THAT(refusal([&] { find_neighbour_sources({at("none")}); }), HasSubstr("none: not found"));
  EXPECT_THAT(refusal([&] { find_neighbour_sources({at("*.bin")}); }), HasSubstr("no file matches"));
  EXPECT_THAT(refusal([&] { find_neighbour_sources({folder()}); }), HasSubstr("empty directory"));
}

}  // namespace
}  // namespace bessemer::data
