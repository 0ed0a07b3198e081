// How fast one core reads rows of a token shard from the page cache.
//
//   loader_bench [--tokens=134217728] [--rows=200000]
//
// Writes a shard of that many u16 tokens to a temporary directory, reads it once (checksums), then rows of 1,025 tokens
// at random: windows of the stream, rows of packed documents, pairs of sentences, and through a blend of two and the
// loader's thread.
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <random>
#include <span>

#include "data/corpus.h"
#include "data/loader.h"
#include "data/token_shard.h"
#include "tests/faults/options.h"
#include "tests/support/temporary_directory.h"

namespace {

using namespace bessemer;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

void write_shard(const std::string& directory, int64_t tokens, const std::string& id) {
  std::filesystem::create_directories(directory);
  data::ShardFacts facts;
  facts.split = "train", facts.dataset_id = id, facts.tokenizer_kind = facts.tokenizer_name = "bytes";
  facts.tokenizer_sha256 = std::string(64, 'b'), facts.vocab_size = 50257;
  facts.sentences = true;
  data::TokenShardWriter writer(directory + "/" + data::shard_name("train", 0, 1), facts);
  std::mt19937_64 random(1);
  std::vector<uint32_t> document;
  while (writer.tokens() < static_cast<uint64_t>(tokens)) {
    document.resize(20 + random() % 2000);
    for (auto& token : document) token = static_cast<uint32_t>(random() % 50257);
    for (std::size_t at = 0; at < document.size();) {
      const std::size_t sentence = std::min<std::size_t>(document.size() - at, 5 + random() % 40);
      writer.append(std::span(document).subspan(at, sentence));
      writer.end_sentence();
      at += sentence;
    }
    writer.end_document();
  }
  writer.finish();
}

void say(const char* what, int64_t rows, double seconds) {
  std::printf("%-34s %10.0f rows/s %12.0f tokens/s\n", what, static_cast<double>(rows) / seconds,
              1024.0 * static_cast<double>(rows) / seconds);
}

void random_rows(const char* what, const data::Corpus& corpus, int64_t rows) {
  std::vector<int64_t> tokens(1025), starts(corpus.has_documents() ? 1024 : 0);
  std::vector<uint8_t> counted(starts.size());
  for (int64_t row = 0; row < corpus.rows(); ++row) corpus.read_row(row, {tokens, {}, {}});  // checksums, page cache
  const data::Sampler order(1, {{corpus.rows()}});
  const auto begin = Clock::now();
  for (int64_t i = 0; i < rows; ++i) corpus.read_row(order.window({0, i}), {tokens, starts, counted});
  say(what, rows, seconds_since(begin));
}

}  // namespace

int main(int argc, char** argv) {
  auto n = faults::numbers(argc, argv, {{"--tokens", 1 << 27}, {"--rows", 200000}});
  const tests::TemporaryDirectory files;
  const std::string a = files.file("a"), b = files.file("b");
  write_shard(a, n["--tokens"], std::string(32, 'a'));
  write_shard(b, n["--tokens"] / 4, std::string(32, 'c'));
  const auto stream = data::Corpus::open(a, "train", {1024}), second = data::Corpus::open(b, "train", {1024});
  random_rows("stream", *stream, n["--rows"]);
  random_rows("stream, second source", *second, n["--rows"]);
  const auto begin = Clock::now();
  const auto packed = data::Corpus::open(a, "train", {1024, data::Mode::kPacked});
  std::printf("packed: opened in %.2f s, %lld rows for %lld tokens (%.2f %% of positions used)\n", seconds_since(begin),
              static_cast<long long>(packed->rows()), static_cast<long long>(packed->tokens()),
              100.0 * static_cast<double>(packed->tokens()) / static_cast<double>(1025 * packed->rows()));
  random_rows("packed", *packed, n["--rows"] / 10);
  data::Cut cut{1024};
  cut.next_token = false, cut.pairs = {data::PairKind::kNextSentence, 0.1, 1, 2};
  const auto opening = Clock::now();
  const auto pairs = data::Corpus::open(a, "train", cut);
  std::printf("pairs: opened in %.2f s, %lld rows\n", seconds_since(opening), static_cast<long long>(pairs->rows()));
  random_rows("pairs of sentences", *pairs, n["--rows"] / 10);
  data::Sampler blend(1, {{stream->rows(), 7}, {second->rows(), 3}});
  data::Loader loader({stream, second}, blend, {0, 1, 32, {{}, 512}, 32}, 0);
  const auto start = Clock::now();
  int64_t rows = 0;
  while (rows < n["--rows"]) rows += static_cast<int64_t>(loader.next().rows.size());
  say("blend of two through the loader", rows, seconds_since(start));
  const auto skip = Clock::now();
  blend.skip(512'000'000);
  std::printf("a blend skips 512,000,000 rows (to step 1,000,000 of batches of 512) in %.2f s\n", seconds_since(skip));
}
