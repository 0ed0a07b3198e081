#include "data/export.h"

#include <algorithm>
#include <filesystem>

#include "data/file.h"
#include "data/neighbours/llmc.h"
#include "data/neighbours/megatron.h"
#include "data/neighbours/nanogpt.h"
#include "data/neighbours/token_hash.h"
#include "data/shard_set.h"
#include "parallel/error.h"

namespace bessemer::data {
namespace {

/// A stretch of a shard's tokens that belongs to one document.
struct Part {
  const TokenShard* shard;
  uint64_t begin, end;
  bool ends_document;  ///< it does not go on in the next shard
};

/// Documents without tokens are passed over.
void for_each_part(const std::vector<TokenShard>& shards, const std::function<void(const Part&)>& take) {
  constexpr uint64_t kPiece = 1 << 15;
  for (std::size_t s = 0; s < shards.size(); ++s) {
    const uint64_t documents = shards[s].facts().documents;
    const bool goes_on = s + 1 < shards.size() && shards[s + 1].facts().continues;
    std::vector<uint64_t> offsets;
    for (uint64_t first = 0; first < documents; first += offsets.size() - 1) {
      offsets.resize(std::min(kPiece, documents - first) + 1);
      shards[s].document_offsets(first, offsets);
      for (std::size_t i = 0; i + 1 < offsets.size(); ++i) {
        const bool last = first + i + 1 == documents;
        if (offsets[i] < offsets[i + 1]) take({&shards[s], offsets[i], offsets[i + 1], !(last && goes_on)});
      }
    }
  }
}

struct Counts {
  MegatronCounts megatron;
  uint64_t tokens = 0;
};

Counts count(const std::vector<TokenShard>& shards) {
  Counts counts;
  uint64_t length = 0;  // of the document at hand
  for_each_part(shards, [&](const Part& part) {
    length += part.end - part.begin, counts.tokens += part.end - part.begin;
    if (!part.ends_document) return;
    ++counts.megatron.documents;
    counts.megatron.sequences += (length + counts.megatron.longest - 1) / counts.megatron.longest;
    length = 0;
  });
  return counts;
}

std::unique_ptr<NeighbourWriter> writer_for(const ExportOptions& options, uint32_t vocab_size, const Counts& counts) {
  const bool llmc = options.to == "llmc";
  BESSEMER_CHECK(options.tokens_per_file == 0 || llmc, "--tokens-per-file ", options.tokens_per_file,
                 " is for --to llmc; leave it out");
  if (options.to == "megatron") return make_megatron_writer(megatron_prefix(options.out), vocab_size, counts.megatron);
  if (options.to == "nanogpt") return make_nanogpt_writer(options.out, vocab_size);
  BESSEMER_CHECK(llmc, "--to '", options.to, "' is unknown; choose one of: megatron, nanogpt, llmc");
  const auto most = options.tokens_per_file == 0 ? kLlmcMostTokens : static_cast<uint64_t>(options.tokens_per_file);
  return make_llmc_writer(options.out, vocab_size, counts.tokens, most);
}

}  // namespace

ExportResult export_tokens(const ExportOptions& options, const std::function<bool(const BuildProgress&)>& progress) {
  const auto shards = open_shards(options.data, options.split);
  const uint32_t vocab_size = shards.front().facts().vocab_size;
  const uint32_t width = vocab_size <= 65536 ? 2 : 4;
  const Counts counts = count(shards);
  BESSEMER_CHECK_DATA(counts.tokens > 0, options.data, ": split '", options.split, "' holds no tokens");
  const auto writer = writer_for(options, vocab_size, counts);
  ExportResult result{
      writer->files(), counts.tokens, counts.megatron.documents, vocab_size, shards.front().facts().loss_mask, ""};
  for (const auto& file : result.files)
    BESSEMER_CHECK(options.overwrite || !std::filesystem::exists(file), file,
                   ": exists; choose another --out, or replace it with --overwrite");
  require_space(result.files.front(), counts.tokens * width);
  TokenHash hash(width);
  uint64_t done = 0;
  std::vector<int64_t> read;
  for_each_part(shards, [&](const Part& part) {
    for (uint64_t at = part.begin; at < part.end; at += read.size()) {
      read.resize(std::min(TokenFile::kPiece, part.end - at));
      part.shard->read(at, read);
      const std::vector<uint32_t> ids(read.begin(), read.end());
      hash.update(ids);
      writer->append(ids);
      done += ids.size();
    }
    if (part.ends_document) writer->end_document();
    if (!progress({"writing", done * width, counts.tokens * width, done}))
      fail(ExitCode::kStopped, "stopped; nothing was kept");
  });
  writer->finish();
  result.sha256 = hash.hex();
  return result;
}

}  // namespace bessemer::data
