#include "data/neighbours/mds.h"

#include <gmock/gmock.h>
#include <zstd.h>

#include <nlohmann/json.hpp>

#include "tests/data/neighbours/bytes.h"

namespace bessemer::data {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

struct Column {
  std::string name, encoding;
  json size;  ///< null: each sample says it
};

/// Samples of columns, each as its bytes, laid out as streaming/base/format/mds/writer.py does.
struct Shard {
  std::vector<Column> columns{{"tokens", "bytes", nullptr}};
  std::vector<std::vector<std::string>> samples;

  std::string bytes() const {
    const std::string configuration = R"({"format": "mds", "version": 2})";
    std::vector<std::string> packed;
    for (const auto& sample : samples) {
      std::string head, body;
      for (std::size_t c = 0; c < columns.size(); ++c) {
        if (columns[c].size.is_null()) head += little(static_cast<int64_t>(sample[c].size()), 4);
        body += sample[c];
      }
      packed.push_back(head + body);
    }
    auto at = static_cast<int64_t>(4 + 4 * (packed.size() + 1) + configuration.size());
    std::string offsets = little(at, 4), all;
    for (const auto& sample : packed) {
      at += static_cast<int64_t>(sample.size()), all += sample;
      offsets += little(at, 4);
    }
    return little(static_cast<int64_t>(packed.size()), 4) + offsets + configuration + all;
  }
  json entry(const std::string& name) const {
    json names = json::array(), encodings = json::array(), sizes = json::array();
    for (const auto& c : columns) names.push_back(c.name), encodings.push_back(c.encoding), sizes.push_back(c.size);
    return {{"format", "mds"},
            {"version", 2},
            {"samples", samples.size()},
            {"column_names", names},
            {"column_encodings", encodings},
            {"column_sizes", sizes},
            {"compression", nullptr},
            {"zip_data", nullptr},
            {"hashes", json::array()},
            {"size_limit", 67108864},
            {"raw_data", {{"basename", name}, {"bytes", bytes().size()}, {"hashes", json::object()}}}};
  }
};

std::string packed(const std::string& bytes) {
  std::string out(ZSTD_compressBound(bytes.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), bytes.data(), bytes.size(), 3));
  return out;
}

class Mds : public FolderTest {
 protected:
  Mds() { options_.vocab_size = 100, options_.dtype = element_of("u16"); }
  void write_index(const std::vector<json>& shards) {
    write("index.json", json{{"shards", shards}, {"version", 2}}.dump());
  }
  DocumentIds read() { return read_documents(*open_mds(folder(), options_)); }
  /// A data set of one shard. \param change  what a test wants wrong in its entry of the index, or in its bytes.
  template <class Change>
  std::string refused(const Shard& shard, const Change& change, ExitCode code = ExitCode::kBadData) {
    json entry = shard.entry("s.mds");
    std::string bytes = shard.bytes();
    change(entry, bytes);
    write("s.mds", bytes), write_index({entry});
    return refusal([&] { read(); }, code);
  }
  static Shard two_samples() {
    Shard shard;
    shard.samples = {{little({1, 2, 3}, 2)}, {little({4}, 2)}};
    return shard;
  }
  NeighbourOptions options_;
};

void nothing(json&, std::string&) {}

TEST_F(Mds, SamplesAreDocumentsInTheOrderOfTheShards) {
  Shard other;
  other.samples = {{""}, {little({9}, 2)}};
  write("a.mds", two_samples().bytes()), write("b/b.mds", other.bytes());
  write_index({two_samples().entry("a.mds"), other.entry("b/b.mds")});
  EXPECT_TRUE(is_mds(folder()));
  EXPECT_THAT(read(), ElementsAre(ElementsAre(1, 2, 3), ElementsAre(4), IsEmpty(), ElementsAre(9)));
  EXPECT_THAT(open_mds(folder(), options_)->files(), ElementsAre(at("index.json"), at("a.mds"), at("b/b.mds")));
}

TEST_F(Mds, TheColumnIsFoundAmongOthers) {
  Shard shard;
  shard.columns = {{"a", "str", nullptr}, {"id", "int", 8}, {"ids", "bytes", nullptr}, {"z", "bytes", nullptr}};
  shard.samples = {{"text", little(7, 8), little({5, 6}, 2), "zz"}, {"", little(8, 8), little({7}, 2), ""}};
  write("s.mds", shard.bytes()), write_index({shard.entry("s.mds")});
  options_.column = "ids";
  EXPECT_THAT(read(), ElementsAre(ElementsAre(5, 6), ElementsAre(7)));
}

TEST_F(Mds, ArraysSayTypeAndShapeThemselves) {
  options_.dtype.reset();
  const std::string ids = little({5, 6}, 4);
  for (const auto& [encoding, front] : std::map<std::string, std::string>{
           {"ndarray", little({33, 1 << 2, 2}, 1)},                        // i32, one axis of u8
           {"ndarray:int32", little(1 << 2 | 1, 1) + little(2, 2)},        // one axis of u16
           {"ndarray:uint32", little(2 << 2 | 2, 1) + little({1, 2}, 4)},  // two axes of u32
           {"ndarray:int32:2", ""}}) {
    Shard shard;
    shard.columns = {{"tokens", encoding, encoding == "ndarray:int32:2" ? json(8) : json()}};
    shard.samples = {{front + ids}, {front + ids}};
    write("s.mds", shard.bytes()), write_index({shard.entry("s.mds")});
    EXPECT_THAT(read(), ElementsAre(ElementsAre(5, 6), ElementsAre(5, 6))) << encoding;
  }
}

TEST_F(Mds, ALongSampleComesInPieces) {
  Shard shard;
  std::vector<int64_t> ids(TokenFile::kPiece + 3, 1);
  ids.back() = 2;
  shard.samples = {{little(ids, 2)}};
  write("s.mds", shard.bytes()), write_index({shard.entry("s.mds")});
  const auto documents = read();
  ASSERT_EQ(documents.size(), 1u);
  EXPECT_EQ(documents[0].size(), ids.size());
  EXPECT_EQ(documents[0].back(), 2u);
}

TEST_F(Mds, ShardsMayBePackedWithZstd) {
  const std::string bytes = packed(two_samples().bytes());
  json entry = two_samples().entry("s.mds");
  entry["compression"] = "zstd:7";
  entry["zip_data"] = {{"basename", "s.mds.zstd"}, {"bytes", bytes.size()}, {"hashes", json::object()}};
  write("s.mds.zstd", bytes), write_index({entry});
  EXPECT_THAT(read(), ElementsAre(ElementsAre(1, 2, 3), ElementsAre(4)));
  entry["zip_data"]["bytes"] = bytes.size() - 1;
  write_index({entry}), write("s.mds.zstd", bytes.substr(0, bytes.size() - 1));
  EXPECT_THAT(refusal([&] { read(); }), HasSubstr("truncated"));
  entry["zip_data"]["basename"] = "s.mds.br", entry["compression"] = "br:11";
  write("s.mds.br", bytes.substr(1)), write_index({entry});
  EXPECT_THAT(refusal([&] { read(); }), AllOf(HasSubstr("packed with br:11"), HasSubstr("unpack it")));
}

TEST_F(Mds, HashesAreVerifiedOrSaidNotToBe) {
  json entry = two_samples().entry("s.mds");
  write("s.mds", two_samples().bytes());
  entry["raw_data"]["hashes"] = {{"sha256", sha256_of_file(at("s.mds"))}, {"sha1", "0"}};
  write_index({entry});
  const auto reader = open_mds(folder(), options_);
  EXPECT_EQ(read_documents(*reader).size(), 2u);
  EXPECT_THAT(reader->remark(), HasSubstr("hashes not checked: sha1"));
  entry["raw_data"]["hashes"] = {{"xxh64", "0123456789abcdef"}};
  write_index({entry});
  EXPECT_THAT(refusal([&] { read(); }), AllOf(HasSubstr("s.mds: xxh64 is "), HasSubstr("says 0123456789abcdef")));
}

TEST_F(Mds, RefusesAnIndexThatIsNone) {
  for (const char* text :
       {"", "[]", "{\"version\": 1, \"shards\": []}", "{\"version\": 2}", "{\"version\": 2, \"shards\": [3]}",
        "{\"version\": 2, \"shards\": []}", "{\"version\": 2, \"shards\": [{}]}", "{\"version\": \"2\"}"}) {
    write("index.json", text);
    EXPECT_THAT(refusal([&] { read(); }), HasSubstr("index.json")) << text;
  }
  const auto shard = two_samples();
  EXPECT_THAT(refused(shard, [](json& e, std::string&) { e["format"] = "jsonl"; }), HasSubstr("format jsonl 2"));
  EXPECT_THAT(refused(shard, [](json& e, std::string&) { e["samples"] = -1; }), HasSubstr("samples -1"));
  EXPECT_THAT(refused(shard, [](json& e, std::string&) { e["samples"] = 1.5; }), HasSubstr("samples 1.5"));
  EXPECT_THAT(refused(shard, [](json& e, std::string&) { e["raw_data"].erase("bytes"); }), HasSubstr("not the JSON"));
  EXPECT_THAT(refused(shard,
                      [](json& e, std::string&) {
                        e["column_sizes"] = {1, 2};
                      }),
              HasSubstr("2 sizes of columns"));
  EXPECT_THAT(refused(shard, [](json& e, std::string&) { e["column_sizes"] = {-1}; }), HasSubstr("size -1"));
  for (const char* name : {"../s.mds", "/etc/passwd", "a/../../s.mds", ""})
    EXPECT_THAT(refused(shard, [&](json& e, std::string&) { e["raw_data"]["basename"] = name; }),
                HasSubstr("outside the directory"));
  EXPECT_THAT(refused(shard, [](json& e, std::string&) { e["raw_data"]["basename"] = "t.mds"; }),
              HasSubstr("t.mds: is missing"));
}

TEST_F(Mds, RefusesColumnsThatHoldNoIds) {
  auto shard = two_samples();
  shard.columns[0].name = "input_ids";
  EXPECT_THAT(refused(shard, nothing, ExitCode::kUsage), HasSubstr("choose by --column one of: input_ids"));
  shard = two_samples(), shard.columns[0].encoding = "str";
  EXPECT_THAT(refused(shard, nothing), HasSubstr("'tokens' as str"));
  shard.columns[0].encoding = "ndarray:int32";
  EXPECT_THAT(refused(shard, nothing, ExitCode::kUsage), HasSubstr("says the type; leave it out"));
  options_.dtype.reset();
  EXPECT_THAT(refused(two_samples(), nothing, ExitCode::kUsage), HasSubstr("give it by --dtype"));
  shard.columns[0].encoding = "ndarray:float32";
  EXPECT_THAT(refused(shard, nothing), HasSubstr("integers are expected"));
  shard.columns[0].encoding = "ndarray", shard.samples = {{little({34, 4, 1}, 1) + little(1, 4)}};
  EXPECT_THAT(refused(shard, nothing), HasSubstr("type code 34"));
}

TEST_F(Mds, RefusesSizesThatLie) {
  const auto shard = two_samples();
  EXPECT_THAT(refused(shard, [](json& e, std::string&) { e["raw_data"]["bytes"] = 9; }),
              HasSubstr("index.json says 9"));
  EXPECT_THAT(refused(shard, [](json& e, std::string&) { e["samples"] = 3; }),
              HasSubstr("holds 2 samples, index.json says 3"));
  EXPECT_THAT(
      refused(shard, [](json& e, std::string& b) { e["samples"] = 0xffffffff, b.replace(0, 4, "\xff\xff\xff\xff"); }),
      HasSubstr("but only"));
  EXPECT_THAT(refused(shard, [](json&, std::string& b) { b[8] = 0; }),
              AllOf(HasSubstr("sample 1 begins at byte"), HasSubstr("never go back")));
  EXPECT_THAT(refused(shard, [](json&, std::string& b) { b[4] = 15; }), HasSubstr("sample 0 begins at byte 15"));
  EXPECT_THAT(refused(shard, [](json&, std::string& b) { b[12] += 1; }), HasSubstr("last sample ends at byte"));
  EXPECT_THAT(refused(shard, [](json& e, std::string& b) { b += 'x', e["raw_data"]["bytes"] = b.size(); }),
              HasSubstr("last sample ends at byte"));
  const std::size_t first = two_samples().bytes().size() - 16;  // the size of the first sample's column
  EXPECT_THAT(refused(shard, [&](json&, std::string& b) { b[first] = 7; }),
              HasSubstr("sample 0: its columns take more than its 10 bytes"));
  EXPECT_THAT(refused(shard, [&](json&, std::string& b) { b[first] = 4; }),
              HasSubstr("sample 0: its columns take 8 bytes, it has 10"));
  EXPECT_THAT(refused(shard, [](json& e, std::string&) { e["column_sizes"] = {uint64_t{0xffffffffffffffff}}; }),
              HasSubstr("more than"));
}

TEST_F(Mds, RefusesIdsOutsideTheVocabularyAndBrokenOnes) {
  auto shard = two_samples();
  shard.samples[1] = {little({4, 100}, 2)};
  EXPECT_THAT(refused(shard, nothing), HasSubstr("s.mds: sample 1: token 1 has id 100"));
  shard.samples[1] = {"abc"};
  EXPECT_THAT(refused(shard, nothing), HasSubstr("sample 1: 3 bytes are no whole number of ids of u16"));
  options_.dtype = element_of("i16"), shard.samples[1] = {little({-1}, 2)};
  EXPECT_THAT(refused(shard, nothing), HasSubstr("token 0 has id -1"));
}

TEST_F(Mds, RefusesShapesThatLie) {
  options_.dtype.reset();
  for (const auto& [front, said] : std::map<std::string, std::string>{
           {little({1 << 2, 3}, 1), "an array of 12 bytes by its shape, of 8"},
           {little({2 << 2 | 3}, 1) + little({int64_t{1} << 40, int64_t{1} << 40}, 8), "more than 2^64"},
           {little({63 << 2 | 3}, 1), "within the shape"}}) {
    Shard shard;
    shard.columns = {{"tokens", "ndarray:int32", nullptr}};
    shard.samples = {{front + little({5, 6}, 4)}};
    EXPECT_THAT(refused(shard, nothing), HasSubstr(said));
  }
}

}  // namespace
}  // namespace bessemer::data
