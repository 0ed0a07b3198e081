// Token shards beyond 2^31 and 2^32 tokens, as sparse files: all zeros but for the last tokens.
#include "data/shard_tokens.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "data/corpus.h"
#include "data/crc32c.h"
#include "data/file.h"
#include "data/hdf5.h"
#include "data/sampler.h"
#include "tests/data/folder.h"
#include "tests/support/shard_schema.h"

namespace bessemer::data {
namespace {

class LargeShard : public FolderTest {
 protected:
  /// A shard of so many tokens whose last three are 1, 2, 3, two documents, the second from `second` on.
  void write(uint64_t tokens, uint64_t second) {
    const uint64_t blocks = (tokens + kBlockTokens - 1) / kBlockTokens;
    tests::ShardSchema schema;
    schema.datasets[0].shape = {tokens}, schema.datasets[1].shape = {3}, schema.datasets[2].shape = {blocks};
    schema.attributes["n_tokens"] = tokens, schema.attributes["n_docs"] = uint64_t{2};
    const std::string path = at(shard_name("train", 0, 1));
    const Layout layout = plan_layout(path, schema.datasets, schema.attributes);
    FileDescriptor file(path, FileDescriptor::Mode::kCreate);
    ASSERT_EQ(::ftruncate(file.get(), static_cast<off_t>(layout.size)), 0);
    for (const auto& piece : layout.own) file.write_at(piece.offset, piece.bytes.data(), piece.bytes.size());
    const std::vector<uint16_t> last{1, 2, 3};
    file.write_at(layout.offsets.at("tokens") + 2 * (tokens - 3), last.data(), 6);
    std::vector<uint32_t> crcs(blocks, crc_of(kBlockTokens, 0));
    const uint64_t rest = tokens - (blocks - 1) * kBlockTokens;
    crcs[blocks - 1] = crc_of(rest, std::min<uint64_t>(rest, 3));
    if (rest < 3) crcs[blocks - 2] = crc_of(kBlockTokens, 3 - rest, 3 - rest);
    const std::vector<uint64_t> offsets{0, second, tokens};
    const uint32_t tables[] = {crc32c(crcs.data(), 4 * blocks), crc32c(offsets.data(), 24)};
    file.write_at(layout.offsets.at("block_crc32c"), crcs.data(), 4 * blocks);
    file.write_at(layout.offsets.at("doc_offsets"), offsets.data(), 24);
    file.write_at(layout.offsets.at("tables_crc32c"), tables, 8);
  }

 private:
  /// Of a block of `n` tokens, zero but for the last `some`, which end with `last`.
  static uint32_t crc_of(uint64_t n, uint64_t some, uint64_t last = 3) {
    std::vector<uint16_t> block(n);
    for (uint64_t i = 0; i < some; ++i) block[n - 1 - i] = static_cast<uint16_t>(last - i);
    return crc32c(block.data(), 2 * n);
  }
};

TEST_F(LargeShard, IsReadToItsLastToken) {
  for (const int shift : {31, 32}) {
    for (const int64_t more : {-1, 1}) {
      const int64_t tokens = (int64_t{1} << shift) + more, second = tokens - 1000;
      write(static_cast<uint64_t>(tokens), static_cast<uint64_t>(second));
      for (const int64_t s : {1, 1024}) {
        const auto corpus = Corpus::open(folder(), "train", {s, Mode::kStream, true});
        ASSERT_EQ(corpus->tokens(), tokens);
        ASSERT_EQ(corpus->rows(), (tokens - 1) / s);
        std::vector<int64_t> row(static_cast<std::size_t>(s) + 1), starts(static_cast<std::size_t>(s));
        corpus->read_row(corpus->rows() - 1, {row, starts, {}});
        const int64_t first = (corpus->rows() - 1) * s;
        for (int64_t i = 0; i <= s; ++i)
          ASSERT_EQ(row[static_cast<std::size_t>(i)], std::max<int64_t>(0, first + i - tokens + 4))
              << tokens << " " << i;
        const int64_t begin = second - first;  // behind the row's inputs it is no document of theirs
        EXPECT_EQ(starts.back(), begin > 0 && begin < s ? begin : 0);
        corpus->read_row(corpus->rows() / 2, {row, {}, {}});
      }
    }
  }
}

TEST_F(LargeShard, HasMoreThan32BitsOfRows) {
  const int64_t tokens = (int64_t{1} << 32) + 3;
  write(static_cast<uint64_t>(tokens), 5);
  const auto corpus = Corpus::open(folder(), "train", {1});
  ASSERT_GT(corpus->rows(), int64_t{1} << 32);
  const Sampler order(1, {{corpus->rows()}});
  std::vector<int64_t> row(2);
  for (int64_t i = 0; i < 100; ++i) corpus->read_row(order.window({0, corpus->rows() - 1 - i}), {row, {}, {}});
}

}  // namespace
}  // namespace bessemer::data
