#include "data/text_source.h"

#include <gmock/gmock.h>
#include <zlib.h>
#include <zstd.h>

#include "tests/data/folder.h"

namespace bessemer::data {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class Collect final : public TakeText {
 public:
  void text(std::string_view piece) override { open_ += piece; }
  void end_document() override { documents.push_back(std::exchange(open_, {})); }
  void reject(Reject r) override { rejects.push_back(std::move(r)); }
  void drop_document() override { open_.clear(); }
  void progress(uint64_t bytes) override { raw += bytes; }
  std::vector<std::string> documents;
  std::vector<Reject> rejects;
  uint64_t raw = 0;

 private:
  std::string open_;
};

class TextSourceTest : public FolderTest {
 protected:
  TextSource source(const std::string& name, const std::string& text) const {
    const std::string path = write(name, text);
    return {path, name, unpacked_name(name).ends_with(".jsonl"), text.size()};
  }
  Collect read(const TextSource& source, Documents documents, std::vector<uint64_t> cuts = {}) const {
    Collect all;
    ReadOptions options;
    options.documents = documents;
    cuts.insert(cuts.begin(), 0), cuts.push_back(source.bytes);
    for (std::size_t i = 0; i + 1 < cuts.size(); ++i)
      read_stretch(source, {cuts[i], cuts[i + 1], i + 2 == cuts.size()}, options, all);
    return all;
  }
  static std::string zstd(const std::string& text) {
    std::string out(ZSTD_compressBound(text.size()), '\0');
    ZSTD_CCtx* z = ZSTD_createCCtx();
    ZSTD_CCtx_setParameter(z, ZSTD_c_checksumFlag, 1);  // as the program zstd does
    out.resize(ZSTD_compress2(z, out.data(), out.size(), text.data(), text.size()));
    ZSTD_freeCCtx(z);
    return out;
  }
  static std::string gzip(const std::string& text) {
    z_stream z{};
    deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
    std::string out(deflateBound(&z, text.size()), '\0');
    z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data())), z.avail_in = static_cast<uInt>(text.size());
    z.next_out = reinterpret_cast<Bytef*>(out.data()), z.avail_out = static_cast<uInt>(out.size());
    deflate(&z, Z_FINISH);
    out.resize(z.total_out);
    deflateEnd(&z);
    return out;
  }
};

TEST_F(TextSourceTest, StretchesSideBySideGiveEveryDocumentOnce) {
  const std::string text = "one\n\ntwo\r\nmore\n   \n\nthree\n\n\nfour";
  const auto file = source("a.txt", text);
  const auto lines = read(file, Documents::kLines).documents;
  const auto paragraphs = read(file, Documents::kBlankLines).documents;
  EXPECT_THAT(lines, ElementsAre("one", "two", "more", "three", "four"));
  EXPECT_THAT(paragraphs, ElementsAre("one", "two\nmore", "three", "four"));
  for (uint64_t a = 1; a < text.size(); ++a) {
    for (uint64_t b = a + 1; b < text.size(); ++b) {
      EXPECT_EQ(read(file, Documents::kLines, {a, b}).documents, lines) << a << " " << b;
      EXPECT_EQ(read(file, Documents::kBlankLines, {a, b}).documents, paragraphs) << a << " " << b;
    }
    EXPECT_THAT(read(file, Documents::kFile, {a}).documents, ElementsAre(text)) << a;
  }
}

TEST_F(TextSourceTest, PackedFilesReadAsTheirContents) {
  std::string text;
  for (int i = 0; i < 20000; ++i) text += "{\"text\": \"document " + std::to_string(i) + "\"}\n";
  const auto plain = read(source("a.jsonl", text), Documents::kFile).documents;
  ASSERT_EQ(plain.size(), 20000u);
  EXPECT_EQ(read(source("a.jsonl.gz", gzip(text)), Documents::kFile).documents, plain);
  EXPECT_EQ(read(source("a.jsonl.zst", zstd(text)), Documents::kFile).documents, plain);
  EXPECT_EQ(read(source("two.jsonl.gz", gzip(text) + gzip(text)), Documents::kFile).documents.size(), 40000u);
  for (const auto& [name, packed] : {std::pair{"cut.jsonl.gz", gzip(text)}, {"cut.jsonl.zst", zstd(text)}}) {
    EXPECT_THAT(refusal([&] { read(source(name, packed.substr(0, packed.size() / 2)), Documents::kFile); }),
                testing::AllOf(HasSubstr(name), HasSubstr("truncated")));
    std::string bad = packed;
    for (std::size_t i = bad.size() / 2; i < bad.size() / 2 + 20; ++i) bad[i] = static_cast<char>(bad[i] ^ 0x5A);
    EXPECT_THAT(refusal([&] { read(source(name, bad), Documents::kFile); }), HasSubstr(name));
  }
  EXPECT_THAT(refusal([&] { read(source("bomb.txt.zst", zstd(std::string(64 << 20, 'a'))), Documents::kFile); }),
              HasSubstr("unpack to more than"));
}

TEST_F(TextSourceTest, WhatIsNoDocumentIsRejectedWithItsPlace) {
  const auto all = read(
      source(
          "a.jsonl",
          "{\"text\": \"x\"}\n{\"text\": 3}\n\n[1]\n{\"txt\": \"x\"}\n{\n{\"text\": \"a\\u0000b\"}\n{\"text\": \"y\"}\n"),
      Documents::kFile);
  EXPECT_THAT(all.documents, ElementsAre("x", "y"));
  std::vector<std::pair<std::string, uint64_t>> places;
  for (const auto& r : all.rejects) places.emplace_back(r.kind, r.line);
  EXPECT_THAT(places, ElementsAre(std::pair{"no text field", 2}, std::pair{"no text field", 4},
                                  std::pair{"no text field", 5}, std::pair{"not JSON", 6}, std::pair{"not text", 7}));
}

TEST_F(TextSourceTest, PatternsAndListsNameFiles) {
  write("in/a.txt", "1"), write("in/b.txt", "2"), write("in/c.md", "3");
  const std::string list = write("list", "# a comment\n" + at("in/c.md") + "\n" + at("in/*.txt") + "\n");
  std::vector<std::string> skipped, names;
  for (const auto& s : find_sources({at("in/*.txt"), "@" + list}, skipped)) names.push_back(s.name);
  EXPECT_THAT(names, ElementsAre("a.txt", "b.txt", "c.md", "a.txt", "b.txt"));
  EXPECT_THAT(refusal([&] { find_sources({at("in/*.rst")}, skipped); }), HasSubstr("no file matches"));
}

}  // namespace
}  // namespace bessemer::data
